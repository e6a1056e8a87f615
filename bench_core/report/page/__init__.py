"""From content to files: the templates, the HTML page and the same in Markdown, and the output folder."""
