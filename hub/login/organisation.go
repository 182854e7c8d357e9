package login

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Organisation is a role: it owns names of trainers, and nobody logs in as it. It is a
// user, so that a name means one owner.
const Organisation = "organisation"

// ErrOrganisation is a login for an organisation.
var ErrOrganisation = errors.New("this is an organisation: nobody logs in as it; make a link or token for one of its members")

// SetMember puts a user into an organisation, which is made when it is new, or takes
// the user out, who must be in it.
func (u *Users) SetMember(ctx context.Context, organisation, user string, member bool) error {
	if member {
		if _, err := u.Ensure(ctx, organisation, Organisation); err != nil {
			return err
		}
	}
	return u.db.Tx(ctx, func(tx *sql.Tx) error {
		org, err := organisationOf(ctx, tx, organisation)
		if err != nil {
			return err
		}
		var id, role string
		err = tx.QueryRowContext(ctx, `SELECT id, role FROM users WHERE name = $1`, user).Scan(&id, &role)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("there is no user %s: trainer-hub link %s makes one", user, user)
		case err != nil:
			return err
		case role == Organisation:
			return fmt.Errorf("%s is an organisation, which is a member of none", user)
		}
		action, change := "member.left", `DELETE FROM members WHERE organisation = $1 AND user_id = $2`
		if member {
			action, change = "member.joined", `INSERT INTO members (organisation, user_id) VALUES ($1, $2) ON CONFLICT (organisation, user_id) DO NOTHING`
		}
		result, err := tx.ExecContext(ctx, change, org, id)
		if err != nil {
			return fmt.Errorf("changing the members of %s: %w", organisation, err)
		}
		switch changed, err := result.RowsAffected(); {
		case err != nil:
			return err
		case changed == 0 && !member:
			return fmt.Errorf("%s is no member of %s", user, organisation)
		case changed == 0:
			return nil
		}
		return store.Audit(ctx, tx, u.now(), store.Act{Actor: "hub", Action: action, Subject: org, Detail: map[string]string{"organisation": organisation, "user": user}})
	})
}

// queryer is a transaction or the database itself.
type queryer interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// organisationOf is the id of an organisation.
func organisationOf(ctx context.Context, q queryer, name string) (id string, err error) {
	var role string
	err = q.QueryRowContext(ctx, `SELECT id, role FROM users WHERE name = $1`, name).Scan(&id, &role)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", fmt.Errorf("there is no organisation %s: trainer-hub org %s --add USER makes one", name, name)
	case err != nil:
		return "", fmt.Errorf("looking up the organisation: %w", err)
	case role != Organisation:
		return "", fmt.Errorf("%s is a user, not an organisation: choose another name", name)
	}
	return id, nil
}

// person refuses what is for people when the user is an organisation.
func person(ctx context.Context, tx *sql.Tx, id string) error {
	role, err := roleOf(ctx, tx, id)
	if err == nil && role == Organisation {
		err = ErrOrganisation
	}
	return err
}

func roleOf(ctx context.Context, tx *sql.Tx, id string) (role string, err error) {
	return role, tx.QueryRowContext(ctx, `SELECT role FROM users WHERE id = $1`, id).Scan(&role)
}

// Organisations are the names of those that a user is a member of.
func (u *Users) Organisations(ctx context.Context, userID string) ([]string, error) {
	return u.names(ctx, `SELECT name FROM members JOIN users ON users.id = organisation WHERE user_id = $1 ORDER BY name`, userID)
}

// Members are the names of an organisation's members.
func (u *Users) Members(ctx context.Context, organisation string) ([]string, error) {
	id, err := organisationOf(ctx, u.db, organisation)
	if err != nil {
		return nil, err
	}
	return u.names(ctx, `SELECT name FROM members JOIN users ON users.id = user_id WHERE organisation = $1 ORDER BY name`, id)
}

func (u *Users) names(ctx context.Context, query, of string) (names []string, err error) {
	rows, err := u.db.QueryContext(ctx, query, of)
	if err != nil {
		return nil, fmt.Errorf("reading members: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
