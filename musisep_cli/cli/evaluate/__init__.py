"""`musisep evaluate`: the command that scores separations against references.

| what | module |
| --- | --- |
| the command and its options | ``command`` |
| the result for programs, as JSON and CSV, and its notices | ``report`` |
| the result for people, as tables | ``tables`` |
"""
