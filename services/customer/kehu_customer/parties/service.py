"""Business actions on parties. `register_parties` is the one way in, for one party or for thousands.

Signatures for the other features of this package (ownership, sources, accounts):

    check_draft(draft, on: date) -> PartyDraft       parties.rules; raises PartyRefused with every error and its pointer
    register_parties(tx, vault, drafts, *, actor, at) -> list[RegisteredParty]   in the order of the drafts
    register_party(tx, vault, draft, *, actor, at) -> RegisteredParty
    restate_party(tx, vault, customer_id, draft, *, actor, at) -> tuple[str, ...]   names of what changed
    emit_state(tx, customer_ids, *, at)              parties.state; after any change of customers, merges or consents

Registration writes `customers.unit_id` and `primary_rm_id` from the draft, puts `scope_subjects`, and calls
`ownership.service.open_ownership(tx, [RegisteredParty, …], at=at)` for the history, in the same transaction.
"""
