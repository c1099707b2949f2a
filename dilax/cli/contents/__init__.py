"""What ``dilax inspect`` finds in files and directories, and how it shows it."""

from .directories import of_directory as of_directory
from .files import of_file as of_file
from .findings import Findings as Findings
