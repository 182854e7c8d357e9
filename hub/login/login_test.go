package login_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
		for range 2 { // whoever looks at it uses nothing up
			if name, err := h.Invited(t.Context(), code); name != "ann" || err != nil {
				t.Errorf("it is for %q, %v", name, err)
			}
		}
		cookie, err := h.Enter(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Invited(t.Context(), code); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("after it was used: %v", err)
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

// A provider's account is one user, whatever either is called.
func TestIdentityIsOneUser(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		as := func(issuer, subject, name string) string {
			cookie, err := h.EnterAs(t.Context(), login.Identity{Issuer: issuer, Subject: subject, Name: name})
			if err != nil {
				t.Fatal(err)
			}
			p, err := h.Session(t.Context(), cookie)
			if err != nil || p.Operator() {
				t.Errorf("%+v, %v", p, err)
			}
			return p.Name
		}
		for _, c := range []struct{ issuer, subject, name, want string }{
			{"https://a", "1", "Ann", "ann-2"}, // ann is there, and the operator
			{"https://a", "1", "Bob", "ann-2"},
			{"https://b", "1", "bob", "bob"},
			{"https://a", "2", "bob@example.com", "bob-2"},
			{"https://a", "3", "99 Bärbel Müller!", "b-rbel-m-ller"},
			{"https://a", "4", strings.Repeat("x", 300), strings.Repeat("x", 30)},
		} {
			if got := as(c.issuer, c.subject, c.name); got != c.want {
				t.Errorf("%s %s: %q, want %q", c.subject, c.name, got, c.want)
			}
		}
		if got := as("https://a", "5", "世界"); !strings.HasPrefix(got, "user-") {
			t.Errorf("got %q", got)
		}
		for _, who := range []login.Identity{{}, {Issuer: "https://a"}, {Issuer: "https://a", Subject: strings.Repeat("x", 256)}, {Issuer: "https://a", Subject: "a\x00"}} {
			if _, err := h.EnterAs(t.Context(), who); !errors.Is(err, login.ErrUnknown) {
				t.Errorf("%+v: %v", who, err)
			}
		}
	})
}

func TestOrganisationIsNobodyWhoLogsIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if err := h.SetMember(t.Context(), "cell-lab", "ann", true); err != nil {
			t.Fatal(err)
		}
		if err := h.SetMember(t.Context(), "cell-lab", "ann", true); err != nil {
			t.Errorf("a second time: %v", err)
		}
		if in, err := h.Organisations(t.Context(), h.ann); !slices.Equal(in, []string{"cell-lab"}) || err != nil {
			t.Errorf("%v, %v", in, err)
		}
		if in, err := h.Members(t.Context(), "cell-lab"); !slices.Equal(in, []string{"ann"}) || err != nil {
			t.Errorf("%v, %v", in, err)
		}
		lab, err := h.Ensure(t.Context(), "cell-lab", login.Author)
		if err != nil {
			t.Fatal(err)
		}
		_, _, token := h.MakeToken(t.Context(), lab, "ci", login.Scopes, time.Hour)
		_, link := h.Link(t.Context(), lab)
		for what, err := range map[string]error{"a token": token, "a link": link, "a promotion": h.Promote(t.Context(), lab)} {
			if !errors.Is(err, login.ErrOrganisation) {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, none := h.Members(t.Context(), "no-lab")
		for what, err := range map[string]error{
			"the members of none":       none,
			"who is taken out of none":  h.SetMember(t.Context(), "no-lab", "ann", false),
			"a user as an organisation": h.SetMember(t.Context(), "ann", "ann", true),
			"nobody as a member":        h.SetMember(t.Context(), "cell-lab", "nobody", true),
			"an organisation in one":    h.SetMember(t.Context(), "cell-lab", "cell-lab", true),
		} {
			if err == nil {
				t.Errorf("%s was taken", what)
			}
		}
		if err := h.SetMember(t.Context(), "cell-lab", "ann", false); err != nil {
			t.Fatal(err)
		}
		if in, err := h.Organisations(t.Context(), h.ann); len(in) != 0 || err != nil {
			t.Errorf("%v, %v", in, err)
		}
		if err := h.SetMember(t.Context(), "cell-lab", "ann", false); err == nil {
			t.Error("who is in no more was taken out")
		}
	})
}

func TestUserIsPromoted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		bob, err := h.Ensure(t.Context(), "bob", login.Author)
		if err != nil {
			t.Fatal(err)
		}
		code, _ := h.Link(t.Context(), bob)
		cookie, err := h.Enter(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := h.Promote(t.Context(), bob); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := h.Session(t.Context(), cookie); !p.Operator() || err != nil {
			t.Errorf("%+v, %v", p, err)
		}
		acts, err := h.db.Acts(t.Context(), 0, 2)
		if err != nil || len(acts) != 2 || acts[0].Action != "user.promoted" || acts[1].Action != "session.begun" || acts[1].Actor != "bob" {
			t.Errorf("%+v, %v", acts, err)
		}
		if older, err := h.db.Acts(t.Context(), acts[1].Seq, 1); err != nil || len(older) != 1 || older[0].Seq != acts[1].Seq-1 {
			t.Errorf("%+v, %v", older, err)
		}
	})
}

func FuzzNameOfAnIdentity(f *testing.F) {
	for _, name := range []string{"Ann", "a@b", "..", "世界", "a\x00b", "-x", "9a9"} {
		f.Add(name)
	}
	db, err := store.Open(f.Context(), filepath.Join(f.TempDir(), "hub.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	users, n := login.New(db, time.Now), 0
	f.Fuzz(func(t *testing.T, name string) {
		n++
		cookie, err := users.EnterAs(t.Context(), login.Identity{Issuer: "https://a", Subject: fmt.Sprint(n), Name: name})
		if err != nil {
			return // a hundred of that name
		}
		p, err := users.Session(t.Context(), cookie)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := users.Ensure(t.Context(), p.Name, login.Author); err != nil {
			t.Errorf("%q became %q: %v", name, p.Name, err)
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
		if _, err := h.Invited(t.Context(), late); !errors.Is(err, login.ErrUnknown) {
			t.Errorf("link that is looked at: %v", err)
		}
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
