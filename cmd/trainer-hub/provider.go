package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/vision-platform/trainer-agent/hub/login"
)

// provider is the login provider. Its secret comes from a file: what is in an argument or
// in the environment is seen by every process.
type provider struct {
	OIDCIssuer     string   `name:"oidc-issuer" env:"TRAINER_HUB_OIDC_ISSUER" placeholder:"URL" help:"OpenID Connect provider that people log in by; its callback address is URL/login/oidc/callback of this hub."`
	OIDCClient     string   `name:"oidc-client-id" env:"TRAINER_HUB_OIDC_CLIENT_ID" placeholder:"ID" help:"What the provider knows this hub as."`
	OIDCSecretFile string   `name:"oidc-client-secret-file" env:"TRAINER_HUB_OIDC_CLIENT_SECRET_FILE" type:"path" placeholder:"FILE" help:"File with the client secret, unless the provider takes public clients (PKCE is always used)."`
	OIDCDomain     []string `name:"oidc-domain" env:"TRAINER_HUB_OIDC_DOMAIN" placeholder:"DOMAIN" help:"Only accounts with a verified e-mail address of these domains; without it everybody whom the provider lets in."`
	OIDCName       string   `name:"oidc-name" env:"TRAINER_HUB_OIDC_NAME" default:"your organisation's account" help:"What the page calls it: \"Log in with …\"."`
}

// oidc is the provider that the flags name, nil without one.
func (p provider) oidc() (*login.OIDC, error) {
	if p.OIDCIssuer == "" {
		if p.OIDCClient != "" || p.OIDCSecretFile != "" || len(p.OIDCDomain) > 0 {
			return nil, errors.New("a login provider needs --oidc-issuer")
		}
		return nil, nil
	}
	if p.OIDCClient == "" {
		return nil, errors.New("a login provider needs --oidc-client-id")
	}
	if u, err := url.Parse(p.OIDCIssuer); err != nil || u.Host == "" || (u.Scheme != "https" && !loopback(u.Hostname())) {
		return nil, fmt.Errorf("--oidc-issuer %q is not https://host…", p.OIDCIssuer)
	}
	o := &login.OIDC{Name: p.OIDCName, Issuer: p.OIDCIssuer, ClientID: p.OIDCClient, Domains: p.OIDCDomain}
	if p.OIDCSecretFile == "" {
		return o, nil
	}
	secret, err := os.ReadFile(p.OIDCSecretFile)
	if err != nil {
		return nil, fmt.Errorf("reading --oidc-client-secret-file: %w", err)
	}
	if o.Secret = strings.TrimSpace(string(secret)); o.Secret == "" {
		return nil, fmt.Errorf("--oidc-client-secret-file: %s is empty", p.OIDCSecretFile)
	}
	return o, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
