package login

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// EnterAs begins a session for an identity of a provider. Who was never here becomes a
// user: an identity is never joined to a user that is there because of its name, for
// at many providers people choose their names themselves.
func (u *Users) EnterAs(ctx context.Context, who Identity) (cookie string, err error) {
	if who.Issuer == "" || who.Subject == "" || len(who.Subject) > maxSubject || strings.ContainsRune(who.Subject, 0) {
		return "", ErrUnknown
	}
	err = u.db.Tx(ctx, func(tx *sql.Tx) error {
		id, err := u.identified(ctx, tx, who)
		if err != nil {
			return err
		}
		cookie, err = u.begin(ctx, tx, id)
		return err
	})
	return cookie, err
}

const maxSubject = 255 // OpenID Connect Core, section 2

func (u *Users) identified(ctx context.Context, tx *sql.Tx, who Identity) (id string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2`, who.Issuer, who.Subject).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	if id, err = u.newcomer(ctx, tx, who); err != nil {
		return "", err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO identities (issuer, subject, user_id, created) VALUES ($1, $2, $3, $4)`, who.Issuer, who.Subject, id, store.Millis(u.now()))
	return id, err
}

// newcomer makes a user with a name that is like the provider's and nobody's yet.
func (u *Users) newcomer(ctx context.Context, tx *sql.Tx, who Identity) (id string, err error) {
	base := nameLike(who.Name)
	for try, name := 2, base; try < 100; try, name = try+1, fmt.Sprintf("%s-%d", base, try) {
		if kept[name] {
			continue
		}
		id, made, err := u.insert(ctx, tx, name, Author, who.Issuer)
		if err != nil || made {
			return id, err
		}
	}
	return "", fmt.Errorf("there are a hundred users with names like %s: make one by trainer-hub link", base)
}

// kept are names that nobody gets by what a provider says.
var kept = map[string]bool{"operator": true, "hub": true, "admin": true}

var noName = regexp.MustCompile(`[^a-z0-9._-]+`)

// nameLike makes a user name of what a provider calls somebody.
func nameLike(name string) string {
	name, _, _ = strings.Cut(strings.ToLower(name), "@")
	name = strings.TrimLeft(noName.ReplaceAllString(name, "-"), "0123456789._-")
	if len(name) > maxLike {
		name = name[:maxLike]
	}
	if name = strings.TrimRight(name, "._-"); len(name) < 2 {
		return "user-" + strings.ToLower(rand.Text()[:8])
	}
	return name
}

const maxLike = 30 // leaves room for a number
