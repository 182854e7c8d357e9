// Package registry keeps images where container runtimes fetch them: in a folder that the
// hub itself serves, or in any OCI registry. It promises that a manifest is there only
// after everything that it names, also after a kill or a power loss, and that pushing the
// same image twice changes nothing. It leaves what is in the images to the hub.
package registry

import (
	"context"
	"errors"
	"io"
	"regexp"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Content is a manifest or a blob.
type Content struct {
	io.ReadCloser
	Size      int64
	MediaType string // of a manifest; empty for a blob
}

// ErrNotFound is content that the registry does not have.
var ErrNotFound = errors.New("the registry does not have it")

// Registry is one of the two kinds.
type Registry interface {
	// Push puts an image into a repository, under a tag unless that is empty.
	Push(ctx context.Context, repository, tag string, image v1.Image) error
	// Open returns what a repository has under a digest.
	Open(ctx context.Context, repository, digest string) (*Content, error)
	// Name is a repository as container runtimes name it.
	Name(repository string) string
}

// The forms of the distribution specification, as far as the hub names things.
var (
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*$`)
	tagForm        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	digestForm     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)
