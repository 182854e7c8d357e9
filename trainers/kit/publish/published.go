package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/vision-platform/trainer-agent/contract"
)

// Published is what the hub says of a version to install.
type Published struct {
	contract.Release
	Reference   string            `json:"reference"` // the image for a container runtime; may be empty
	Environment map[string]string `json:"environment"`
	PodSpec     map[string]any    `json:"pod_spec"`
	State       string            `json:"state"`  // deprecated and yanked are warned of
	Reason      string            `json:"reason"` // of the state
}

// Find asks for a version of a trainer; "" is the newest.
func (c *Client) Find(ctx context.Context, name, version string) (found Published, err error) {
	req, err := c.request(ctx, http.MethodPost, url.PathEscape(name)+"/install", nil)
	if err != nil {
		return found, err
	}
	req.URL.RawQuery = url.Values{"version": {version}}.Encode()
	if err := c.do(req, &found); err != nil {
		return found, err
	}
	return found, found.named()
}

// named checks that what a container runtime is told to fetch is the image of the release,
// whose digest is signed.
func (p Published) named() error {
	if p.Image == "" && p.Reference == "" || p.Image != "" && strings.HasSuffix(p.Reference, "@"+p.Image) {
		return nil
	}
	return fmt.Errorf("the hub names the image %q, and the image of the release is %q", p.Reference, p.Image)
}

// Key asks for the public key (ed25519) that the hub signs with.
func (c *Client) Key(ctx context.Context) ([]byte, error) {
	req, err := c.request(ctx, http.MethodGet, "../key", nil)
	if err != nil {
		return nil, err
	}
	var key struct {
		Public []byte `json:"public"`
	}
	return key.Public, c.do(req, &key)
}

// Content opens what a trainer has under a digest.
func (c *Client) Content(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	req, err := c.request(ctx, http.MethodGet, url.PathEscape(name)+"/content/"+url.PathEscape(digest), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, away(req, fmt.Errorf("asking the hub: %w", err))
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return nil, away(req, err)
		}
		return nil, refused(req, resp, text)
	}
	return &content{resp.Body, req}, nil
}

// content is a body whose hub may go away before its end.
type content struct {
	io.ReadCloser
	req *retryablehttp.Request
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = away(c.req, err)
	}
	return n, err
}
