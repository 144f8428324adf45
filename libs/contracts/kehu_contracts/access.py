"""Who may do what: the one table of roles, permissions and reach that gateway and services enforce."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["PERMISSIONS", "REACH", "Permission", "Reach", "Role"]


class Role(StrEnum):
    """What a principal is for the bank."""

    RELATIONSHIP_MANAGER = "relationship_manager"
    COMPLAINT_HANDLER = "complaint_handler"
    MARKETER = "marketer"
    COMPLIANCE = "compliance"
    BRANCH_HEAD = "branch_head"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    SYSTEM = "system"


class Reach(StrEnum):
    """Which rows a role reaches: all, those of its unit and the units below, or none that belong to a unit."""

    ALL = "all"
    SUBTREE = "subtree"
    NONE = "none"


class Permission(StrEnum):
    """What a route asks for."""

    CUSTOMER_READ = "customer:read"
    CUSTOMER_WRITE = "customer:write"
    CUSTOMER_REVEAL = "customer:reveal"
    CUSTOMER_MERGE = "customer:merge"
    CUSTOMER_ERASE = "customer:erase"
    CONSENT_WRITE = "consent:write"
    OWNERSHIP_WRITE = "ownership:write"
    CONTACT_RESOLVE = "contact:resolve"
    ORGANIZATION_READ = "organization:read"
    ORGANIZATION_WRITE = "organization:write"
    SEGMENT_READ = "segment:read"
    SEGMENT_WRITE = "segment:write"
    COMPLAINT_READ = "complaint:read"
    COMPLAINT_WRITE = "complaint:write"
    COMPLAINT_APPROVE_EXTENSION = "complaint:approve_extension"
    CAMPAIGN_READ = "campaign:read"
    CAMPAIGN_WRITE = "campaign:write"
    CAMPAIGN_REVIEW = "campaign:review"
    OPERATIONS_READ = "operations:read"
    OPERATIONS_WRITE = "operations:write"
    AUDIT_READ = "audit:read"


_READ_ALL: Final = frozenset(
    {
        Permission.CUSTOMER_READ,
        Permission.ORGANIZATION_READ,
        Permission.SEGMENT_READ,
        Permission.COMPLAINT_READ,
        Permission.CAMPAIGN_READ,
    }
)

PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    Role.RELATIONSHIP_MANAGER: _READ_ALL
    | {Permission.CUSTOMER_WRITE, Permission.CUSTOMER_REVEAL, Permission.CONSENT_WRITE, Permission.COMPLAINT_WRITE},
    Role.COMPLAINT_HANDLER: frozenset(
        {
            Permission.CUSTOMER_READ,
            Permission.CUSTOMER_REVEAL,
            Permission.ORGANIZATION_READ,
            Permission.COMPLAINT_READ,
            Permission.COMPLAINT_WRITE,
        }
    ),
    Role.MARKETER: frozenset(
        {
            Permission.ORGANIZATION_READ,
            Permission.SEGMENT_READ,
            Permission.SEGMENT_WRITE,
            Permission.CAMPAIGN_READ,
            Permission.CAMPAIGN_WRITE,
        }
    ),
    Role.COMPLIANCE: _READ_ALL
    | {
        Permission.CUSTOMER_REVEAL,
        Permission.CUSTOMER_MERGE,
        Permission.CUSTOMER_ERASE,
        Permission.CAMPAIGN_REVIEW,
        Permission.COMPLAINT_APPROVE_EXTENSION,
        Permission.AUDIT_READ,
    },
    Role.BRANCH_HEAD: _READ_ALL
    | {
        Permission.CUSTOMER_WRITE,
        Permission.CUSTOMER_REVEAL,
        Permission.CONSENT_WRITE,
        Permission.OWNERSHIP_WRITE,
        Permission.COMPLAINT_WRITE,
        Permission.CAMPAIGN_REVIEW,
    },
    Role.OPERATOR: frozenset({Permission.OPERATIONS_READ, Permission.OPERATIONS_WRITE, Permission.ORGANIZATION_READ}),
    Role.AUDITOR: _READ_ALL | {Permission.AUDIT_READ, Permission.OPERATIONS_READ},
    Role.SYSTEM: _READ_ALL
    | {
        Permission.CUSTOMER_WRITE,
        Permission.CONSENT_WRITE,
        Permission.CONTACT_RESOLVE,
        Permission.ORGANIZATION_WRITE,
        Permission.COMPLAINT_WRITE,
        Permission.OPERATIONS_READ,
    },
}
"""What each role may do."""

REACH: Final[dict[Role, Reach]] = {
    Role.RELATIONSHIP_MANAGER: Reach.SUBTREE,
    Role.COMPLAINT_HANDLER: Reach.SUBTREE,
    Role.MARKETER: Reach.SUBTREE,
    Role.COMPLIANCE: Reach.ALL,
    Role.BRANCH_HEAD: Reach.SUBTREE,
    Role.OPERATOR: Reach.NONE,
    Role.AUDITOR: Reach.ALL,
    Role.SYSTEM: Reach.ALL,
}
"""Which rows each role reaches; the widest of a principal's roles holds."""
