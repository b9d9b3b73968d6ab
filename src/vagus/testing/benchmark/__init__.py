"""How fast is it? Workloads, the lanes that they run in, and the bars that their figures are held to."""
