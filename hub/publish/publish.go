package publish

import (
	"bytes"
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/vision-platform/trainer-agent/contract"
)

// Registry keeps images.
type Registry interface {
	Push(ctx context.Context, repository, tag string, image v1.Image) error
}

// Objects is the bucket that the platform reads schemas and capabilities from.
type Objects interface {
	Put(ctx context.Context, key string, text []byte) error
	// Get returns an error that is fs.ErrNotExist where there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// Delete is done where there is none.
	Delete(ctx context.Context, key string) error
}

// Publisher publishes.
type Publisher struct {
	Registry Registry
	Objects  Objects
	Key      *Key
}

// Wheel is one wheel that the package was proven with.
type Wheel struct{ Path, Name, Version, SHA256 string }

// Base is the image that Image stands on.
type Base struct{ Name, Digest string }

// Input is what is published.
type Input struct {
	Package      contract.Package
	File         string // the uploaded bytes
	Wheels       []Wheel
	Lock         string
	Image        v1.Image // nil where the hub makes none
	Base         *Base    // nil without an Image
	Python       string
	Platform     string
	Isolation    string // that the package was proven in
	Schema       []byte // what config_schema.py printed, JSON
	Capabilities []byte // capabilities.json
	Requires     *contract.Requires
	// Newest says that no newer version is published: the platform reads this one.
	Newest bool
}

// Repository is where a trainer's images are.
func Repository(name string) string { return "trainers/" + name }

// Publish publishes; what is there already is left as it is.
func (p *Publisher) Publish(ctx context.Context, in Input) (contract.Release, error) {
	release := contract.Release{
		Name: in.Package.Name, Version: in.Package.Version, PackageSHA: in.Package.SHA256, Repository: Repository(in.Package.Name),
		Python: in.Python, Platform: in.Platform, Agent: contract.Version, Key: p.Key.ID(), Requires: in.Requires,
	}
	subject, err := p.pushImage(ctx, in, &release)
	if err == nil {
		subject, err = p.pushBundle(ctx, in, &release, subject)
	}
	if err == nil {
		err = p.attach(ctx, in, &release, subject)
	}
	if err == nil {
		err = p.putDocuments(ctx, in)
	}
	return release, err
}

// pushImage pushes the image, which everything else is then attached to.
func (p *Publisher) pushImage(ctx context.Context, in Input, release *contract.Release) (*v1.Descriptor, error) {
	if in.Image == nil {
		return nil, nil
	}
	at, err := descriptor(in.Image)
	if err != nil {
		return nil, fmt.Errorf("reading the image: %w", err)
	}
	release.Image = at.Digest.String()
	return at, p.Registry.Push(ctx, release.Repository, in.Package.Version, in.Image)
}

// pushBundle pushes the package with its wheels: what runs where there are no containers.
func (p *Publisher) pushBundle(ctx context.Context, in Input, release *contract.Release, subject *v1.Descriptor) (*v1.Descriptor, error) {
	parts, err := bundled(in)
	if err != nil {
		return nil, err
	}
	bundle, err := artifact(contract.MediaBundle, subject, parts...)
	if err != nil {
		return nil, err
	}
	at, err := descriptor(bundle)
	if err != nil {
		return nil, fmt.Errorf("reading the bundle: %w", err)
	}
	release.Bundle = at.Digest.String()
	tag := ""
	if subject == nil {
		subject, tag = at, in.Package.Version
	}
	return subject, p.Registry.Push(ctx, release.Repository, tag, bundle)
}

func bundled(in Input) ([]part, error) {
	pack, err := filePart(in.File, in.Package.SHA256, contract.MediaPackage)
	if err != nil {
		return nil, fmt.Errorf("reading the package: %w", err)
	}
	pack.title = "package.zip"
	parts := []part{pack, textPart([]byte(in.Lock), "requirements.lock", contract.MediaLock)}
	for _, w := range in.Wheels {
		wheel, err := filePart(w.Path, w.SHA256, contract.MediaWheel)
		if err != nil {
			return nil, fmt.Errorf("reading a wheel: %w", err)
		}
		parts = append(parts, wheel)
	}
	return parts, nil
}

// attach attaches the bill of materials and the provenance, which signs for it too.
func (p *Publisher) attach(ctx context.Context, in Input, release *contract.Release, subject *v1.Descriptor) error {
	bill, err := sbom(in)
	if err == nil {
		release.SBOM, err = p.pushFile(ctx, release.Repository, subject, textPart(bill, contract.SBOMName, contract.MediaSBOM))
	}
	if err != nil {
		return err
	}
	provenance, err := p.provenance(in, *release)
	if err == nil {
		release.Attestation, err = p.pushFile(ctx, release.Repository, subject, textPart(provenance, "provenance.dsse.json", contract.MediaAttestation))
	}
	return err
}

// pushFile pushes one file, attached to a subject, and returns its manifest's digest.
func (p *Publisher) pushFile(ctx context.Context, repository string, subject *v1.Descriptor, file part) (string, error) {
	kind, err := file.layer.MediaType()
	if err != nil {
		return "", err
	}
	image, err := artifact(string(kind), subject, file)
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", file.title, err)
	}
	return digest.String(), p.Registry.Push(ctx, repository, "", image)
}

// SchemaKey and CapabilitiesKey are where the platform reads a framework's documents.
func SchemaKey(framework string) string { return "schemas/" + framework + ".json" }

// CapabilitiesKey is the other one.
func CapabilitiesKey(framework string) string { return "model-capabilities/" + framework + ".json" }

// putDocuments puts the documents of the version, which stay, and then those that the
// platform reads.
func (p *Publisher) putDocuments(ctx context.Context, in Input) error {
	docs := []struct {
		key  string
		text []byte
	}{
		{versioned("schemas", in.Package.Name, in.Package.Version), in.Schema},
		{versioned("model-capabilities", in.Package.Name, in.Package.Version), in.Capabilities},
	}
	if in.Newest {
		docs = append(docs, docs[0], docs[1])
		docs[2].key, docs[3].key = SchemaKey(in.Package.Name), CapabilitiesKey(in.Package.Name)
	}
	for _, doc := range docs {
		if err := p.Objects.Put(ctx, doc.key, append(bytes.TrimSpace(doc.text), '\n')); err != nil {
			return fmt.Errorf("putting %s: %w", doc.key, err)
		}
	}
	return nil
}
