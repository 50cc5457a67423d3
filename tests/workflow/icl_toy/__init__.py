"""A package of somebody else's: one plug-in of each kind, one file each (docs/plugins.md)."""
