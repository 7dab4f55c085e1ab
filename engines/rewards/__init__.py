"""Users' reward code: what it must look like (`shapes`) and where it runs (`jail`). Only a jailed child ever executes it."""
