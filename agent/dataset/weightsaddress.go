package dataset

import (
	"bytes"
	"errors"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/contract"
)

// address is where weights are, of which only a half may be shown. It knows what its
// server's answers mean.
type address struct {
	url *url.URL
	now func() time.Time
}

// name is the address without its secret half.
func (a address) name() string {
	return (&url.URL{Scheme: a.url.Scheme, Host: a.url.Host, Path: a.url.Path}).String()
}

// base is the file's name: the last part of the path, made harmless.
func (a address) base() string {
	base := path.Base(path.Clean("/" + a.url.Path))
	if base == "/" || strings.HasPrefix(base, ".") || tree.Junk(base) {
		return "weights.pt"
	}
	if clean, err := tree.Clean(base); err != nil || strings.Contains(clean, "/") {
		return "weights.pt"
	}
	return base
}

// refuse knows what answers like a file and is none.
func (a address) refuse(head []byte) error {
	empty := len(head) == 0
	head = bytes.TrimSpace(head)
	what := ""
	switch lower := bytes.ToLower(head); {
	case empty:
		what = "an empty file"
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		what = "a web page"
	case bytes.HasPrefix(lower, []byte("<?xml")), bytes.HasPrefix(lower, []byte("<error")):
		what = "an XML message"
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		what = "a Git LFS pointer"
	case bytes.HasPrefix(head, []byte(`{"`)) && !strings.HasSuffix(a.base(), ".json"):
		what = "a JSON message"
	}
	if what != "" {
		return contract.Failf(contract.CodeWeightsUnavailable, "%s gave %s in place of weights", a.name(), what).
			WithHint("Upload the weights' own file and presign its address.")
	}
	return nil
}

// masked is the error without the address.
func (a address) masked(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err // its text would show the query
	}
	return err
}
