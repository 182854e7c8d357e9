package login_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

type house struct {
	*login.Users
	db  *store.DB
	now time.Time
	ann string
}

func each(t *testing.T, test func(t *testing.T, h *house)) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		h := &house{db: db, now: time.UnixMilli(1_800_000_000_000)}
		h.Users = login.New(db, func() time.Time { return h.now })
		var err error
		if h.ann, err = h.Ensure(t.Context(), "ann", login.Operator); err != nil {
			t.Fatal(err)
		}
		test(t, h)
		if _, err := db.VerifyAudit(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestUserIsMadeOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if id, err := h.Ensure(t.Context(), "ann", login.Author); id != h.ann || err != nil {
			t.Errorf("%s, %v", id, err)
		}
		for _, name := range []string{"", "a", "Ann", "ann b", "1ann", strings.Repeat("a", 40)} {
			if _, err := h.Ensure(t.Context(), name, login.Author); err == nil {
				t.Errorf("%q was taken", name)
			}
		}
	})
}

func TestLinkWorksOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		code, err := h.Link(t.Context(), h.ann)
		if err != nil {
			t.Fatal(err)
		}
		cookie, err := h.Enter(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := h.Session(t.Context(), cookie); p.Name != "ann" || !p.Operator() || !p.May(login.ScopePublish) || err != nil {
			t.Errorf("%+v, %v", p, err)
		}
		if _, err := h.Enter(t.Context(), code); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("a second time: %v", err)
		}
		if err := h.Leave(t.Context(), cookie); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Session(t.Context(), cookie); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("after leaving: %v", err)
		}
	})
}

func TestSecretsEnd(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		late, _ := h.Link(t.Context(), h.ann)
		code, _ := h.Link(t.Context(), h.ann)
		cookie, err := h.Enter(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		_, secret, err := h.MakeToken(t.Context(), h.ann, "ci", []string{login.ScopeRead}, 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(login.LinkLife)
		if _, err := h.Enter(t.Context(), late); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("link: %v", err)
		}
		h.now = h.now.Add(login.SessionLife)
		if _, err := h.Session(t.Context(), cookie); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("session: %v", err)
		}
		if _, err := h.Token(t.Context(), secret); err != nil {
			t.Errorf("token: %v", err)
		}
		h.now = h.now.Add(12 * time.Hour)
		if _, err := h.Token(t.Context(), secret); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("token: %v", err)
		}
	})
}

func TestTokenHasItsScopesOnly(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		token, secret, err := h.MakeToken(t.Context(), h.ann, "ci", []string{login.ScopeRead}, time.Hour)
		if err != nil || !strings.HasPrefix(secret, "tah_") {
			t.Fatalf("%q, %v", secret, err)
		}
		if p, err := h.Token(t.Context(), secret); !p.May(login.ScopeRead) || p.May(login.ScopePublish) || err != nil {
			t.Errorf("%+v, %v", p, err)
		}
		if list, err := h.Tokens(t.Context(), h.ann); len(list) != 1 || list[0].ID != token.ID || err != nil {
			t.Errorf("%v, %v", list, err)
		}
		if err := h.DropToken(t.Context(), "somebody else", token.ID); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("got %v", err)
		}
		if err := h.DropToken(t.Context(), h.ann, token.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Token(t.Context(), secret); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("after it was dropped: %v", err)
		}
		for name, make := range map[string]func() error{
			"no scope": func() error { _, _, err := h.MakeToken(t.Context(), h.ann, "x", nil, time.Hour); return err },
			"unknown scope": func() error {
				_, _, err := h.MakeToken(t.Context(), h.ann, "x", []string{"all"}, time.Hour)
				return err
			},
			"too long": func() error {
				_, _, err := h.MakeToken(t.Context(), h.ann, "x", []string{"read"}, 367*24*time.Hour)
				return err
			},
			"no name": func() error {
				_, _, err := h.MakeToken(t.Context(), h.ann, "", []string{"read"}, time.Hour)
				return err
			},
		} {
			if make() == nil {
				t.Errorf("%s: made", name)
			}
		}
	})
}

// Whoever reads the database can enter with nothing that is in it.
func TestNoSecretIsKept(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		code, _ := h.Link(t.Context(), h.ann)
		_, token, err := h.MakeToken(t.Context(), h.ann, "ci", []string{login.ScopeRead}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{`SELECT hash FROM links`, `SELECT hash FROM tokens`} {
			var kept string
			if err := h.db.QueryRowContext(t.Context(), query).Scan(&kept); err != nil {
				t.Fatal(err)
			}
			if kept == code || strings.Contains(token, kept) {
				t.Errorf("%s: the secret itself is there", query)
			}
			if _, err := h.Token(t.Context(), kept); !errors.Is(err, login.ErrUnknown) {
				t.Errorf("%s: what is kept opens: %v", query, err)
			}
		}
	})
}
