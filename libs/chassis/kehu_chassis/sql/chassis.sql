-- What every service keeps beside its own tables: scope, outbox, inbox and timers.
-- Run by create_chassis_tables in the schema of the service, as its owner.

-- Scope: who reaches which rows ------------------------------------------------------------------------------------

CREATE TABLE scope_units (
    unit_id uuid PRIMARY KEY,
    path ltree,
    parent_id uuid,
    active boolean NOT NULL
);
CREATE INDEX scope_units_path ON scope_units USING gist (path);
CREATE INDEX scope_units_parent ON scope_units (parent_id);

CREATE TABLE scope_staff (
    staff_id uuid PRIMARY KEY,
    unit_id uuid NOT NULL,
    active boolean NOT NULL
);

CREATE TABLE scope_subjects (
    subject_id uuid PRIMARY KEY,
    survivor_id uuid NOT NULL,
    unit_id uuid,
    manager_id uuid
);
CREATE INDEX scope_subjects_unit ON scope_subjects (unit_id);
CREATE INDEX scope_subjects_manager ON scope_subjects (manager_id) WHERE manager_id IS NOT NULL;
CREATE INDEX scope_subjects_merged ON scope_subjects (survivor_id) WHERE survivor_id <> subject_id;

CREATE FUNCTION scope_all() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN current_setting('kehu.reach', true) = 'all';

CREATE FUNCTION scope_units_in_reach() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN COALESCE(NULLIF(current_setting('kehu.units', true), ''), '{}')::uuid[];

-- plpgsql, since it keeps the plans of its statements for the session. A member of staff who is not active, or whose
-- unit is not known, reaches nothing.
CREATE FUNCTION enter_scope(reach text, staff uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    units uuid[];
BEGIN
    PERFORM set_config('kehu.reach', reach, true);
    IF reach = 'subtree' THEN
        SELECT array_agg(below.unit_id) INTO units
        FROM scope_staff AS member
        JOIN scope_units AS own ON own.unit_id = member.unit_id
        JOIN scope_units AS below ON below.path <@ own.path
        WHERE member.staff_id = staff AND member.active;
        PERFORM set_config('kehu.units', COALESCE(units, '{}')::text, true);
    END IF;
END
$$;

-- Works the paths out anew from the parents: units are few, and a moved unit takes all below it along. A unit whose
-- chain does not reach a root (its parent has not arrived, or a cycle) has no path and is in nobody's subtree.
CREATE FUNCTION scope_refresh_paths() RETURNS void LANGUAGE sql AS $$
    WITH RECURSIVE tree AS (
        SELECT unit_id, replace(unit_id::text, '-', '')::ltree AS path FROM scope_units WHERE parent_id IS NULL
        UNION ALL
        SELECT below.unit_id, tree.path || replace(below.unit_id::text, '-', '')
        FROM scope_units AS below JOIN tree ON below.parent_id = tree.unit_id
    )
    UPDATE scope_units AS kept SET path = given.path
    FROM (SELECT unit_id, tree.path FROM scope_units LEFT JOIN tree USING (unit_id)) AS given
    WHERE kept.unit_id = given.unit_id AND kept.path IS DISTINCT FROM given.path
$$;

-- Outbox: events on their way to the broker ------------------------------------------------------------------------

CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    type text NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    subject text NOT NULL,
    sequence bigint NOT NULL,
    schema text NOT NULL,
    time timestamptz NOT NULL,
    traceparent text,
    body bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The last sequence given to each subject; the row lock orders the transactions that tell of one subject.
CREATE TABLE outbox_subjects (
    topic text NOT NULL,
    subject text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (topic, subject)
) WITH (fillfactor = 80);

-- Inbox: what was taken from the broker ----------------------------------------------------------------------------

CREATE TABLE inbox (
    subscription text NOT NULL,
    message_id uuid NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (subscription, message_id)
);
CREATE INDEX inbox_taken_at ON inbox USING brin (taken_at);

CREATE TABLE inbox_positions (
    subscription text NOT NULL,
    topic text NOT NULL,
    subject text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (subscription, topic, subject)
) WITH (fillfactor = 80);

-- Messages behind a missing or a dead one, in the order in which they are to be applied.
CREATE TABLE held_messages (
    held_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription text NOT NULL,
    cause text NOT NULL CHECK (cause IN ('gap', 'blocked')),
    held_at timestamptz NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    time timestamptz NOT NULL,
    sequence bigint NOT NULL,
    key text NOT NULL,
    body bytea NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    traceparent text
);
CREATE INDEX held_messages_key ON held_messages (subscription, key, held_id) WHERE cause = 'blocked';
CREATE INDEX held_messages_subject ON held_messages (subscription, topic, subject, sequence) WHERE cause = 'gap';

CREATE TABLE parked_messages (
    parked_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    waiting_for text NOT NULL,
    parked_at timestamptz NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    time timestamptz NOT NULL,
    sequence bigint NOT NULL,
    key text NOT NULL,
    body bytea NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    traceparent text,
    UNIQUE (waiting_for, id)
);

CREATE TABLE dead_letters (
    dead_letter_id uuid PRIMARY KEY,
    subscription text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'redrive', 'skip', 'redriven', 'skipped')),
    blocks_key boolean NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL,
    died_at timestamptz NOT NULL,
    settled_at timestamptz,
    settled_by text,
    id uuid NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    time timestamptz NOT NULL,
    sequence bigint NOT NULL,
    key text NOT NULL,
    body bytea,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    traceparent text
);
CREATE INDEX dead_letters_unsettled ON dead_letters (subscription, key) WHERE state IN ('open', 'redrive', 'skip');
CREATE INDEX dead_letters_died_at ON dead_letters (subscription, died_at);

-- What the worker last said of each of its consumers; resume_requested is how an operator answers.
CREATE TABLE consumer_states (
    subscription text PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('running', 'retrying', 'stopped')),
    reason text,
    lag bigint,
    resume_requested boolean NOT NULL DEFAULT false,
    reported_at timestamptz NOT NULL
);

-- Timers -----------------------------------------------------------------------------------------------------------

CREATE TABLE timers (
    kind text NOT NULL,
    key text NOT NULL,
    due_at timestamptz NOT NULL,
    payload jsonb NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz,
    last_error text,
    PRIMARY KEY (kind, key)
);
CREATE INDEX timers_due_at ON timers (due_at, kind, key);
