// Package login knows who asks: users, their sessions in a browser, and their API
// tokens.
//
// It promises that a secret is kept only as its SHA-256, that a one-time link
// works once, that every session and token ends, and that a token can do no more
// than its scopes say. It leaves what somebody may do to whom to hub/api.
package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Users are the users of a hub.
type Users struct {
	db  *store.DB
	now func() time.Time
}

// New returns the users of a database.
func New(db *store.DB, now func() time.Time) *Users { return &Users{db, now} }

// Roles. The operator sees every submission and may use the platform's names.
const (
	Author   = "author"
	Operator = "operator"
)

// Scopes of a token. A session has them all.
const (
	ScopeRead    = "read"    // see one's own submissions
	ScopePublish = "publish" // upload, cancel, retry
	ScopeUsage   = "usage"   // tell what was trained; of operators only, for what it tells is counted
)

// Scopes are those that everybody has.
var Scopes = []string{ScopeRead, ScopePublish}

// How long each secret lives.
const (
	SessionLife  = 12 * time.Hour
	LinkLife     = 15 * time.Minute
	MaxTokenLife = 366 * 24 * time.Hour
)

// TokenPrefix begins every token, so that secret scanners know one.
const TokenPrefix = "tah_"

// ErrUnknown is a secret that is wrong, used up or expired.
var ErrUnknown = errors.New("the login is unknown or has expired")

// Principal is who asks.
type Principal struct {
	ID     string
	Name   string
	Role   string
	scopes []string
}

// Operator says whether the principal runs the hub.
func (p Principal) Operator() bool { return p.Role == Operator }

// May says whether the principal's token has a scope.
func (p Principal) May(scope string) bool { return slices.Contains(p.scopes, scope) }

var userName = regexp.MustCompile(`^[a-z][a-z0-9._-]{1,38}$`)

// Ensure returns the user of a name, made with a role when there is none.
func (u *Users) Ensure(ctx context.Context, name, role string) (id string, err error) {
	if !userName.MatchString(name) {
		return "", fmt.Errorf("%q is no user name: use 2 to 39 lower-case letters, digits, dots, - or _, a letter first", name)
	}
	err = u.db.Tx(ctx, func(tx *sql.Tx) error {
		made, isNew, err := u.insert(ctx, tx, name, role, "")
		if id = made; err != nil || isNew {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT id FROM users WHERE name = $1`, name).Scan(&id)
	})
	if err != nil {
		return "", fmt.Errorf("making user %s: %w", name, err)
	}
	return id, nil
}

// insert makes a user, unless there is one of that name.
func (u *Users) insert(ctx context.Context, tx *sql.Tx, name, role, issuer string) (id string, made bool, err error) {
	id = store.ID()
	result, err := tx.ExecContext(ctx, `INSERT INTO users (id, name, role, created) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING`,
		id, name, role, store.Millis(u.now()))
	if err != nil {
		return "", false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return "", false, err
	}
	detail := map[string]string{"name": name, "role": role}
	if issuer != "" {
		detail["issuer"] = issuer
	}
	return id, true, store.Audit(ctx, tx, u.now(), store.Act{Actor: "hub", Action: "user.made", Subject: id, Detail: detail})
}

// Promote makes a user the operator; who is one already stays so.
func (u *Users) Promote(ctx context.Context, id string) error {
	return u.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := person(ctx, tx, id); err != nil {
			return err
		}
		if role, err := roleOf(ctx, tx, id); err != nil || role == Operator {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE users SET role = $1 WHERE id = $2`, Operator, id); err != nil {
			return fmt.Errorf("making the user an operator: %w", err)
		}
		return store.Audit(ctx, tx, u.now(), store.Act{Actor: "hub", Action: "user.promoted", Subject: id, Detail: map[string]string{"role": Operator}})
	})
}

// Link makes the code of a one-time login link.
func (u *Users) Link(ctx context.Context, userID string) (code string, err error) {
	code = rand.Text()
	err = u.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := person(ctx, tx, userID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM links WHERE expires <= $1`, store.Millis(u.now())); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO links (hash, user_id, expires) VALUES ($1, $2, $3)`, hash(code), userID, store.Millis(u.now().Add(LinkLife)))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("making a login link: %w", err)
	}
	return code, nil
}

// Invited returns the name of whom a one-time link is for, and leaves the link as it is.
func (u *Users) Invited(ctx context.Context, code string) (name string, err error) {
	row := u.db.QueryRowContext(ctx, `SELECT name FROM links JOIN users ON users.id = user_id WHERE hash = $1 AND expires > $2`, hash(code), store.Millis(u.now()))
	err = unknown(row.Scan(&name))
	return name, err
}

// Enter uses a one-time link up and begins a session: cookie is its secret.
func (u *Users) Enter(ctx context.Context, code string) (cookie string, err error) {
	err = u.db.Tx(ctx, func(tx *sql.Tx) error {
		var id string
		row := tx.QueryRowContext(ctx, `DELETE FROM links WHERE hash = $1 AND expires > $2 RETURNING user_id`, hash(code), store.Millis(u.now()))
		if err := row.Scan(&id); err != nil {
			return unknown(err)
		}
		cookie, err = u.begin(ctx, tx, id)
		return err
	})
	return cookie, err
}

// begin begins a user's session.
func (u *Users) begin(ctx context.Context, tx *sql.Tx, id string) (cookie string, err error) {
	cookie = rand.Text()
	if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expires <= $1`, store.Millis(u.now())); err != nil {
		return "", err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO sessions (hash, user_id, expires) VALUES ($1, $2, $3)`, hash(cookie), id, store.Millis(u.now().Add(SessionLife))); err != nil {
		return "", err
	}
	return cookie, store.Audit(ctx, tx, u.now(), store.Act{Actor: id, Action: "session.begun", Subject: id})
}

// Session returns whose cookie it is, or ErrUnknown.
func (u *Users) Session(ctx context.Context, cookie string) (p Principal, err error) {
	row := u.db.QueryRowContext(ctx, `SELECT users.id, users.name, users.role FROM sessions JOIN users ON users.id = user_id
		WHERE hash = $1 AND expires > $2`, hash(cookie), store.Millis(u.now()))
	p.scopes = Scopes
	return p, unknown(row.Scan(&p.ID, &p.Name, &p.Role))
}

// Leave ends a session.
func (u *Users) Leave(ctx context.Context, cookie string) error {
	return u.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE hash = $1`, hash(cookie))
		return err
	})
}

func unknown(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrUnknown
	}
	return err
}

// hash is how a secret is kept. Secrets have 130 random bits: there is nothing to guess, so a plain hash does.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
