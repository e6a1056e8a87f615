"""The report's tables: the table itself, the columns of each kind of row, and the CSV files."""
