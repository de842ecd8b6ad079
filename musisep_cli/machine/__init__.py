"""Machine: what the package asks of the computer that it runs on.

| what | module |
| --- | --- |
| CPU or GPU, its random numbers and its number format | ``device`` |
| work of a GPU that is recorded once and started as a whole | ``cuda_graph`` |
| as many frames at once as a GPU's memory holds | ``portions`` |
| blocks of frames on several threads | ``threads`` |
| settings of the C libraries of this process | ``process`` |
| files that appear whole or not at all | ``files`` |
| folders that one process at a time writes in | ``locks`` |
| Ctrl-C and SIGTERM that wait for the end of a step | ``interruption`` |
"""
