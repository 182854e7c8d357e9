package login

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// maxTokens bounds the tokens of a user.
const maxTokens = 50

// Token is a token as its owner sees it later: without its secret.
type Token struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Scopes  []string `json:"scopes"`
	Created int64    `json:"created" doc:"Milliseconds since 1970."`
	Expires int64    `json:"expires" doc:"Milliseconds since 1970."`
}

// Unfit is why a token cannot be made as it was asked for.
type Unfit struct{ Text string }

func (u *Unfit) Error() string { return u.Text }

// MakeToken makes a token, or returns an *Unfit; secret is shown once and never again.
func (u *Users) MakeToken(ctx context.Context, userID, name string, scopes []string, life time.Duration) (token Token, secret string, err error) {
	for _, scope := range scopes {
		if !slices.Contains(append([]string{ScopeUsage}, Scopes...), scope) {
			return token, "", &Unfit{fmt.Sprintf("%q is no scope: there are %s and, for operators, %s", scope, strings.Join(Scopes, ", "), ScopeUsage)}
		}
	}
	if len(scopes) == 0 || name == "" || len(name) > 100 || strings.ContainsRune(name, 0) || life <= 0 || life > MaxTokenLife {
		return token, "", &Unfit{fmt.Sprintf("a token needs a name of 1 to 100 characters, a scope, and a life of at most %d days", MaxTokenLife/(24*time.Hour))}
	}
	secret = TokenPrefix + rand.Text()
	token = Token{ID: store.ID(), Name: name, Scopes: scopes, Created: store.Millis(u.now()), Expires: store.Millis(u.now().Add(life))}
	err = u.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := person(ctx, tx, userID); err != nil {
			return err
		}
		if role, err := roleOf(ctx, tx, userID); err != nil || role != Operator && slices.Contains(scopes, ScopeUsage) {
			return errors.Join(err, &Unfit{"the scope " + ScopeUsage + " is for the platform, by a token of an operator: trainer-hub token NAME --operator --scope " + ScopeUsage})
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM tokens WHERE expires <= $1`, store.Millis(u.now())); err != nil {
			return err
		}
		var count int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM tokens WHERE user_id = $1`, userID).Scan(&count); err != nil {
			return err
		}
		if count >= maxTokens {
			return &Unfit{fmt.Sprintf("there are %d tokens, which is the limit: delete one", count)}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO tokens (id, hash, user_id, name, scopes, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			token.ID, hash(secret), userID, name, strings.Join(scopes, " "), token.Created, token.Expires); err != nil {
			return err
		}
		return store.Audit(ctx, tx, u.now(), store.Act{Actor: userID, Action: "token.made", Subject: token.ID, Detail: token})
	})
	if err != nil {
		return Token{}, "", fmt.Errorf("making a token: %w", err)
	}
	return token, secret, nil
}

// Token returns whose token it is, or ErrUnknown.
func (u *Users) Token(ctx context.Context, secret string) (p Principal, err error) {
	var scopes string
	row := u.db.QueryRowContext(ctx, `SELECT users.id, users.name, users.role, scopes FROM tokens JOIN users ON users.id = user_id
		WHERE hash = $1 AND expires > $2`, hash(secret), store.Millis(u.now()))
	err = unknown(row.Scan(&p.ID, &p.Name, &p.Role, &scopes))
	p.scopes = strings.Fields(scopes)
	return p, err
}

// Tokens lists a user's tokens that still work, newest first.
func (u *Users) Tokens(ctx context.Context, userID string) (list []Token, err error) {
	rows, err := u.db.QueryContext(ctx, `SELECT id, name, scopes, created, expires FROM tokens WHERE user_id = $1 AND expires > $2 ORDER BY id DESC`, userID, store.Millis(u.now()))
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var t Token
		var scopes string
		if err := rows.Scan(&t.ID, &t.Name, &scopes, &t.Created, &t.Expires); err != nil {
			return nil, err
		}
		t.Scopes = strings.Fields(scopes)
		list = append(list, t)
	}
	return list, rows.Err()
}

// DropToken ends a user's token, or returns ErrUnknown.
func (u *Users) DropToken(ctx context.Context, userID, id string) error {
	return u.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM tokens WHERE id = $1 AND user_id = $2`, id, userID)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			err = ErrUnknown
		}
		if err != nil {
			return err
		}
		return store.Audit(ctx, tx, u.now(), store.Act{Actor: userID, Action: "token.dropped", Subject: id})
	})
}
