"""The result of a gate as text, Markdown, GitHub's annotations, JUnit XML and JSON."""
