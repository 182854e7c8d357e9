package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Act is one line of the audit log: who did what to what.
type Act struct {
	Actor   string // a user's id, or "hub"
	Action  string
	Subject string
	Detail  any
}

// Audit writes an act in the transaction of what was done, chained to the act
// before it.
func Audit(ctx context.Context, tx *sql.Tx, at time.Time, act Act) error {
	detail, err := json.Marshal(act.Detail)
	if err != nil {
		return err
	}
	var seq int64
	var before string
	// The update locks the one row: acts are written one after the other.
	row := tx.QueryRowContext(ctx, `UPDATE audit_head SET seq = seq + 1 WHERE one = 1 RETURNING seq, hash`)
	if err := row.Scan(&seq, &before); err != nil {
		return fmt.Errorf("reading the head of the audit log: %w", err)
	}
	hash := chain(before, seq, Millis(at), act.Actor, act.Action, act.Subject, string(detail))
	_, err = tx.ExecContext(ctx, `INSERT INTO audit (seq, at, actor, action, subject, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		seq, Millis(at), act.Actor, act.Action, act.Subject, string(detail), hash)
	if err != nil {
		return fmt.Errorf("writing the audit log: %w", err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE audit_head SET hash = $1 WHERE one = 1`, hash)
	return err
}

// chain is the hash of a row and of the hash before it. JSON keeps the fields apart.
func chain(before string, fields ...any) string {
	line, _ := json.Marshal(append([]any{before}, fields...)) // strings and numbers cannot fail
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// VerifyAudit reads the whole audit log and returns how many acts it has, or an
// error that names the first that was changed, added or removed. It reads the log as
// it is at one moment, for a hub may be writing.
func (db *DB) VerifyAudit(ctx context.Context) (acts int64, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return 0, fmt.Errorf("reading the audit log: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	return verify(ctx, tx)
}

func verify(ctx context.Context, tx *sql.Tx) (acts int64, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT seq, at, actor, action, subject, detail, hash FROM audit ORDER BY seq`)
	if err != nil {
		return 0, fmt.Errorf("reading the audit log: %w", err)
	}
	defer func() { _ = rows.Close() }()
	before := ""
	for rows.Next() {
		var seq, at int64
		var actor, action, subject, detail, hash string
		if err := rows.Scan(&seq, &at, &actor, &action, &subject, &detail, &hash); err != nil {
			return acts, err
		}
		acts++
		if seq != acts || hash != chain(before, seq, at, actor, action, subject, detail) {
			return acts, fmt.Errorf("the audit log was changed at act %d", acts)
		}
		before = hash
	}
	if err := rows.Err(); err != nil {
		return acts, err
	}
	var seq int64
	var head string
	if err := tx.QueryRowContext(ctx, `SELECT seq, hash FROM audit_head WHERE one = 1`).Scan(&seq, &head); err != nil {
		return acts, err
	}
	if seq != acts || head != before {
		return acts, fmt.Errorf("the audit log ends at act %d, not at %d", acts, seq)
	}
	return acts, nil
}

// Entry is one line of the audit log, as it is read.
type Entry struct {
	Seq     int64           `json:"seq"`
	At      int64           `json:"at" doc:"Milliseconds since 1970."`
	Actor   string          `json:"actor" doc:"A user's name; an id when there is no such user; or hub."`
	Action  string          `json:"action"`
	Subject string          `json:"subject"`
	Detail  json.RawMessage `json:"detail"`
}

// Acts returns the newest acts before a number, newest first; 0 begins with the newest.
func (db *DB) Acts(ctx context.Context, before int64, limit int) (acts []Entry, err error) {
	rows, err := db.QueryContext(ctx, `SELECT seq, at, COALESCE(users.name, actor), action, subject, detail FROM audit LEFT JOIN users ON users.id = actor
		WHERE CAST($1 AS BIGINT) = 0 OR seq < CAST($1 AS BIGINT) ORDER BY seq DESC LIMIT $2`, before, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e Entry
		var detail string
		if err := rows.Scan(&e.Seq, &e.At, &e.Actor, &e.Action, &e.Subject, &detail); err != nil {
			return nil, err
		}
		e.Detail = json.RawMessage(detail)
		acts = append(acts, e)
	}
	return acts, rows.Err()
}
