"""`musisep separate`: recordings to stems."""
