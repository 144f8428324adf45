"""Value tiers 客户等级: the scheme as data and the monthly assessment."""
