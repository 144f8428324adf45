"""What routes ask for: the principal with a permission."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from kehu_campaigns.runtime import CampaignsResources
from kehu_chassis.auth import Principal
from kehu_chassis.http import requires, resources
from kehu_contracts.access import Permission

__all__ = ["CustomerReader", "Maker", "Reader", "Resources", "Reviewer"]

Reader = Annotated[Principal, requires(Permission.CAMPAIGN_READ)]
"""May see campaigns and ask the gate."""
CustomerReader = Annotated[Principal, requires(Permission.CAMPAIGN_READ, Permission.CUSTOMER_READ)]
"""May see what campaigns mean to one customer."""
Maker = Annotated[Principal, requires(Permission.CAMPAIGN_WRITE)]
"""May write campaigns and hand them in."""
Reviewer = Annotated[Principal, requires(Permission.CAMPAIGN_REVIEW)]
"""May approve or reject what others wrote."""
Resources = Annotated[CampaignsResources, Depends(resources)]
"""Policy and channels of this process."""
