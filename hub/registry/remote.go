package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Remote is a registry somewhere else. Its login is that of docker or podman on the hub's
// machine.
type Remote struct {
	prefix    string
	transport http.RoundTripper
}

// Patience is how long a registry has to answer once a request was sent: it may look at gigabytes
// before it does.
const Patience = 10 * time.Minute

// OpenRemote returns the registry of a prefix such as registry.example.com/vision. One that does
// not answer within patience is away: nothing else is published while it is waited for.
func OpenRemote(prefix string, patience time.Duration) (*Remote, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	if _, err := name.NewRepository(prefix + "/x"); err != nil {
		return nil, fmt.Errorf("the registry %q is not HOST or HOST/PATH: %w", prefix, err)
	}
	transport := remote.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = patience
	return &Remote{prefix, transport}, nil
}

// Name implements Registry.
func (r *Remote) Name(repository string) string { return r.prefix + "/" + repository }

// Push implements Registry. The manifest goes last.
func (r *Remote) Push(ctx context.Context, repository, tag string, image v1.Image) error {
	digest, err := image.Digest()
	if err != nil {
		return fmt.Errorf("reading the image: %w", err)
	}
	to, err := name.NewRepository(r.Name(repository))
	if err != nil {
		return err
	}
	if err := remote.Write(to.Digest(digest.String()), image, r.options(ctx)...); err != nil {
		return fmt.Errorf("pushing to the registry: %w", err)
	}
	if tag == "" {
		return nil
	}
	if err := remote.Tag(to.Tag(tag), image, r.options(ctx)...); err != nil {
		return fmt.Errorf("tagging in the registry: %w", err)
	}
	return nil
}

// Open implements Registry.
func (r *Remote) Open(ctx context.Context, repository, digest string) (*Content, error) {
	if !repositoryForm.MatchString(repository) || !digestForm.MatchString(digest) {
		return nil, ErrNotFound
	}
	at, err := name.NewDigest(r.Name(repository) + "@" + digest)
	if err != nil {
		return nil, err
	}
	manifest, err := remote.Get(at, r.options(ctx)...)
	if err == nil {
		return &Content{io.NopCloser(strings.NewReader(string(manifest.Manifest))), manifest.Size, string(manifest.MediaType)}, nil
	}
	if !missing(err) {
		return nil, fmt.Errorf("asking the registry: %w", err)
	}
	return r.openBlob(ctx, at)
}

func (r *Remote) openBlob(ctx context.Context, at name.Digest) (*Content, error) {
	layer, err := remote.Layer(at, r.options(ctx)...)
	if err != nil {
		return nil, err
	}
	size, err := layer.Size()
	if err == nil {
		var from io.ReadCloser
		if from, err = layer.Compressed(); err == nil {
			return &Content{ReadCloser: from, Size: size}, nil
		}
	}
	if missing(err) {
		return nil, ErrNotFound
	}
	return nil, fmt.Errorf("asking the registry: %w", err)
}

func missing(err error) bool {
	answer, ok := errors.AsType[*transport.Error](err)
	return ok && answer.StatusCode == http.StatusNotFound
}

func (r *Remote) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(r.transport)}
}
