"""What the platform costs, measured against references in the same run: `./kgents bench <name>`.

`message` is the first; another benchmark is another module here and takes from:
`child_process` (programs under measure), `process_tree` (CPU and memory over all their processes),
`load` (messages, or the same requests over and over, over HTTP from a process of its own), `references`,
`cores` (who runs on which core), `identity` (one auth service with servers of its own),
`kgents_platform` (the real platform in a folder of its own), `report` (tables with ratios and goals).
"""
