"""From content to files: templates, the page and its Markdown twin, and the output folder."""
