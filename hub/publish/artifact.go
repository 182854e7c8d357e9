package publish

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/vision-platform/trainer-agent/contract"
)

// part is one file of an artifact.
type part struct {
	layer v1.Layer
	title string
}

// file is a part that is a file on the disk, as it is.
type file struct {
	path   string
	digest v1.Hash
	size   int64
	media  types.MediaType
}

func filePart(path, sha256, media string) (part, error) {
	info, err := os.Stat(path)
	if err != nil {
		return part{}, err
	}
	if sum, err := hex.DecodeString(sha256); err != nil || len(sum) != 32 {
		return part{}, fmt.Errorf("%q is no SHA-256", sha256)
	}
	return part{file{path, v1.Hash{Algorithm: "sha256", Hex: sha256}, info.Size(), types.MediaType(media)}, filepath.Base(path)}, nil
}

// Digest implements v1.Layer.
func (f file) Digest() (v1.Hash, error) { return f.digest, nil }

// DiffID implements v1.Layer.
func (f file) DiffID() (v1.Hash, error) { return f.digest, nil }

// Compressed implements v1.Layer.
func (f file) Compressed() (io.ReadCloser, error) { return os.Open(f.path) }

// Uncompressed implements v1.Layer.
func (f file) Uncompressed() (io.ReadCloser, error) { return os.Open(f.path) }

// Size implements v1.Layer.
func (f file) Size() (int64, error) { return f.size, nil }

// MediaType implements v1.Layer.
func (f file) MediaType() (types.MediaType, error) { return f.media, nil }

func textPart(text []byte, title, media string) part {
	return part{static.NewLayer(text, types.MediaType(media)), title}
}

// artifact is a manifest with files in place of layers, attached to a subject unless that
// is nil. Its kind is the media type of its configuration.
func artifact(kind string, subject *v1.Descriptor, parts ...part) (v1.Image, error) {
	var adds []mutate.Addendum
	for _, p := range parts {
		adds = append(adds, mutate.Addendum{Layer: p.layer, Annotations: map[string]string{contract.AnnotationTitle: p.title}})
	}
	image, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), adds...)
	if err != nil {
		return nil, fmt.Errorf("making an artifact: %w", err)
	}
	image = mutate.ConfigMediaType(image, types.MediaType(kind))
	if subject != nil {
		image = mutate.Subject(image, *subject).(v1.Image)
	}
	return image, nil
}

// descriptor is how another manifest names an image.
func descriptor(image v1.Image) (*v1.Descriptor, error) {
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	size, err := image.Size()
	if err != nil {
		return nil, err
	}
	media, err := image.MediaType()
	return &v1.Descriptor{MediaType: media, Size: size, Digest: digest}, err
}
