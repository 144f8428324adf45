"""The bank's own organisation 组织机构: its tree of units and the staff who work in them."""
