package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

// OIDC is a login provider that speaks OpenID Connect.
type OIDC struct {
	Name     string // what people call it
	Issuer   string
	ClientID string
	Secret   string   // empty for a public client
	Domains  []string // of verified e-mail addresses; without any, whoever the provider knows may enter
	Redirect string   // the hub's address that the provider sends people back to

	known  atomic.Pointer[provider]
	asking singleflight.Group
}

// provider is what was discovered of an issuer.
type provider struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	client   *http.Client
}

// Flow is one login on its way, kept in the browser that began it: State finds the
// browser again, Nonce the ID token, and Verifier proves to the provider that who asks
// for the token is who began.
type Flow struct {
	State, Nonce, Verifier string
	To                     string // where to go after it
}

// Identity is who a provider says somebody is.
type Identity struct {
	Issuer, Subject string
	Name            string // what it calls them; not to be trusted as a name of ours
}

// Why a login by a provider fails.
var (
	ErrDenied  = errors.New("the provider let nobody in")
	ErrForeign = errors.New("the answer belongs to no login of this browser")
	ErrDomain  = errors.New("the account's e-mail address is not of a domain that may enter, or is not verified")
)

// What is taken from a provider, in time and in bytes.
const (
	providerPatience = 10 * time.Second
	maxAnswer        = 1 << 20
)

// Discover reads what the issuer says of itself, once; an issuer that is away is asked
// again at the next login.
func (o *OIDC) Discover(ctx context.Context) error {
	_, err := o.provider(ctx)
	return err
}

// provider is asked for once by all who log in at a time: nobody waits behind others for a
// provider that does not answer.
func (o *OIDC) provider(ctx context.Context) (*provider, error) {
	if known := o.known.Load(); known != nil {
		return known, nil
	}
	asked := o.asking.DoChan("", func() (any, error) { return o.ask(context.WithoutCancel(ctx)) })
	select {
	case told := <-asked:
		found, _ := told.Val.(*provider)
		return found, told.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("asking the login provider %s: %w", o.Issuer, ctx.Err())
	}
}

func (o *OIDC) ask(ctx context.Context) (*provider, error) {
	client := &http.Client{Timeout: providerPatience, Transport: bounded{http.DefaultTransport}}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, client), o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("asking the login provider %s: %w", o.Issuer, err)
	}
	known := &provider{
		client: client,
		oauth: oauth2.Config{
			ClientID: o.ClientID, ClientSecret: o.Secret, Endpoint: found.Endpoint(), RedirectURL: o.Redirect,
			Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
		},
		// The keys are fetched again when they change, long after this request.
		verifier: found.VerifierContext(oidc.ClientContext(ctx, client), &oidc.Config{ClientID: o.ClientID}),
	}
	o.known.Store(known)
	return known, nil
}

// Begin returns where to send a browser, and the flow that it must bring back.
func (o *OIDC) Begin(ctx context.Context, to string) (address string, f Flow, err error) {
	p, err := o.provider(ctx)
	if err != nil {
		return "", f, err
	}
	f = Flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: to}
	return p.oauth.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), f, nil
}

// Finish makes the code that a browser brings back an identity.
func (o *OIDC) Finish(ctx context.Context, f Flow, state, code string) (who Identity, err error) {
	if f.State == "" || subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) != 1 {
		return who, ErrForeign
	}
	if code == "" {
		return who, ErrDenied
	}
	p, err := o.provider(ctx)
	if err != nil {
		return who, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.oauth.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return who, fmt.Errorf("exchanging the login's code: %w", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return who, fmt.Errorf("checking the provider's ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return who, ErrForeign
	}
	return o.identity(id)
}

func (o *OIDC) identity(id *oidc.IDToken) (who Identity, err error) {
	var claims struct {
		Username string `json:"preferred_username"`
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	if err := id.Claims(&claims); err != nil {
		return who, fmt.Errorf("reading the provider's claims: %w", err)
	}
	local, domain, _ := strings.Cut(claims.Email, "@")
	if len(o.Domains) > 0 && (!claims.Verified || !slices.ContainsFunc(o.Domains, func(d string) bool { return strings.EqualFold(d, domain) })) {
		return who, ErrDomain
	}
	who = Identity{Issuer: id.Issuer, Subject: id.Subject, Name: claims.Username}
	if who.Name == "" {
		who.Name = local
	}
	return who, nil
}

// bounded reads no more of an answer than maxAnswer.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}
