package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Point makes the documents that the platform reads of a trainer those of a version that was
// published; "" takes them away. It writes nothing that is there already.
func (p *Publisher) Point(ctx context.Context, name, version string) error {
	for _, doc := range []struct{ key, of string }{
		{SchemaKey(name), versioned("schemas", name, version)}, {CapabilitiesKey(name), versioned("model-capabilities", name, version)},
	} {
		if version == "" {
			if err := p.Objects.Delete(ctx, doc.key); err != nil {
				return fmt.Errorf("removing %s: %w", doc.key, err)
			}
			continue
		}
		if err := p.copy(ctx, doc.of, doc.key); err != nil {
			return err
		}
	}
	return nil
}

// Retract takes away what the platform reads of a trainer that has no version, where it is what one
// of the versions that were given up left: a document with other bytes is somebody else's. What is
// kept of the versions themselves stays, for one of them may be on its way again.
func (p *Publisher) Retract(ctx context.Context, name string, versions []string) error {
	for _, version := range versions {
		for _, doc := range []struct{ key, of string }{
			{SchemaKey(name), versioned("schemas", name, version)}, {CapabilitiesKey(name), versioned("model-capabilities", name, version)},
		} {
			if err := p.retract(ctx, doc.of, doc.key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Publisher) retract(ctx context.Context, of, key string) error {
	ours, err := p.read(ctx, of)
	if err != nil || ours == nil {
		return err
	}
	there, err := p.read(ctx, key)
	if err != nil || !bytes.Equal(ours, there) {
		return err
	}
	if err := p.Objects.Delete(ctx, key); err != nil {
		return fmt.Errorf("removing %s: %w", key, err)
	}
	return nil
}

// read gives an object's bytes, nil where there is none.
func (p *Publisher) read(ctx context.Context, key string) ([]byte, error) {
	text, err := p.Objects.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	return text, nil
}

func (p *Publisher) copy(ctx context.Context, from, to string) error {
	text, err := p.Objects.Get(ctx, from)
	if err != nil {
		return fmt.Errorf("reading %s: %w", from, err)
	}
	switch there, err := p.Objects.Get(ctx, to); {
	case err == nil && bytes.Equal(there, text):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading %s: %w", to, err)
	}
	if err := p.Objects.Put(ctx, to, text); err != nil {
		return fmt.Errorf("putting %s: %w", to, err)
	}
	return nil
}

// versioned is where the documents of a version stay.
func versioned(kind, name, version string) string { return kind + "/" + name + "/" + version + ".json" }
