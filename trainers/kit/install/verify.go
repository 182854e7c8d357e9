package install

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	maxManifest   = 4 << 20
	maxStatement  = 4 << 20
	maxManifested = 2000 // files of one artifact
)

// Hub is what is asked of a hub.
type Hub interface {
	// Content opens what a trainer has under a digest.
	Content(ctx context.Context, name, digest string) (io.ReadCloser, error)
}

// manifest is an OCI manifest, as far as it is looked at.
type manifest struct {
	Config blob   `json:"config"`
	Layers []blob `json:"layers"`
}

type blob struct {
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	MediaType   string            `json:"mediaType"`
	Annotations map[string]string `json:"annotations"`
}

// Verify checks a release: that its provenance is signed by the key, that the provenance
// names the package, the bundle, the image and the bill of materials of the release, and that every byte of them
// is there and is what its digest says.
func Verify(ctx context.Context, hub Hub, release contract.Release, key ed25519.PublicKey) error {
	if err := Signed(ctx, hub, release, key); err != nil {
		return err
	}
	for _, digest := range []string{release.Bundle, release.Image, release.SBOM, release.Attestation} {
		if digest == "" {
			continue
		}
		m, err := readManifest(ctx, hub, release.Name, digest)
		if err != nil {
			return err
		}
		for _, b := range append([]blob{m.Config}, m.Layers...) {
			if err := copyBlob(ctx, hub, release.Name, b, io.Discard); err != nil {
				return err
			}
		}
	}
	return nil
}

// Signed checks that the key signed the provenance of a release, and that it is of this
// one: of the same name and version, and of the same digests.
func Signed(ctx context.Context, hub Hub, release contract.Release, key ed25519.PublicKey) error {
	m, err := readManifest(ctx, hub, release.Name, release.Attestation)
	if err != nil {
		return err
	}
	if len(m.Layers) != 1 || m.Layers[0].Size > maxStatement {
		return fmt.Errorf("the provenance of %s %s is not one file of at most %d bytes", release.Name, release.Version, maxStatement)
	}
	var text bytes.Buffer
	if err := copyBlob(ctx, hub, release.Name, m.Layers[0], &text); err != nil {
		return err
	}
	statement, err := Open(text.Bytes(), key)
	if err != nil {
		return err
	}
	return agrees(statement, release)
}

// Open returns the statement of an envelope that the key signed.
func Open(text []byte, key ed25519.PublicKey) (s contract.Statement, err error) {
	var e contract.Envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return s, fmt.Errorf("reading the provenance: %w", err)
	}
	good := func(sig contract.Signature) bool { return ed25519.Verify(key, e.Signed(), sig.Sig) }
	if e.PayloadType != contract.MediaAttestation || !slices.ContainsFunc(e.Signatures, good) {
		return s, errors.New("the provenance is not signed by this key: it was changed, or another hub signed it")
	}
	if err := json.Unmarshal(e.Payload, &s); err != nil {
		return s, fmt.Errorf("reading the provenance: %w", err)
	}
	if s.Type != contract.StatementType || s.PredicateType != contract.ProvenanceType {
		return s, fmt.Errorf("what the key signed is no provenance but %q", s.PredicateType)
	}
	return s, nil
}

// agrees checks that what was signed is this release.
func agrees(s contract.Statement, release contract.Release) error {
	told := s.Predicate.BuildDefinition.ExternalParameters
	for name, is := range map[string]string{
		"name": release.Name, "version": release.Version, "package_sha256": release.PackageSHA, "python": release.Python, "platform": release.Platform,
	} {
		if told[name] != is {
			return fmt.Errorf("the signed provenance is of another release: its %s is %q and not %q", name, told[name], is)
		}
	}
	for _, part := range []struct {
		what, digest, name string
		from               []contract.Resource
		always             bool
	}{
		{"bundle", release.Bundle, contract.BundleName(release.Name), s.Subject, true},
		{"image", release.Image, release.Name, s.Subject, false},
		{"bill of materials", release.SBOM, contract.SBOMName, s.Predicate.RunDetails.Byproducts, true},
	} {
		signed := ""
		if i := slices.IndexFunc(part.from, func(r contract.Resource) bool { return r.Name == part.name }); i >= 0 {
			signed = "sha256:" + part.from[i].Digest["sha256"]
		}
		if part.digest != signed || part.always && signed == "" { // a release without what was signed is another one, too
			return fmt.Errorf("the %s %q is not what was signed", part.what, part.digest)
		}
	}
	return nil
}

// readManifest reads a manifest and checks its digest.
func readManifest(ctx context.Context, hub Hub, name, digest string) (m manifest, err error) {
	from, err := hub.Content(ctx, name, digest)
	if err != nil {
		return m, fmt.Errorf("fetching %s: %w", digest, err)
	}
	defer func() { _ = from.Close() }()
	text, err := io.ReadAll(io.LimitReader(from, maxManifest+1))
	if err != nil {
		return m, fmt.Errorf("fetching %s: %w", digest, err)
	}
	if sum := sha256.Sum256(text); "sha256:"+hex.EncodeToString(sum[:]) != digest {
		return m, fmt.Errorf("%s has other bytes than its digest says", digest)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("reading %s: %w", digest, err)
	}
	if len(m.Layers) > maxManifested {
		return m, fmt.Errorf("%s names more than %d files", digest, maxManifested)
	}
	return m, nil
}

// copyBlob copies a blob and checks its digest and size. What was written before an error
// is not to be used.
func copyBlob(ctx context.Context, hub Hub, name string, b blob, to io.Writer) error {
	if !strings.HasPrefix(b.Digest, "sha256:") {
		return fmt.Errorf("%q is no sha256 digest", b.Digest)
	}
	from, err := hub.Content(ctx, name, b.Digest)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", b.Digest, err)
	}
	defer func() { _ = from.Close() }()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(from, b.Size+1))
	if err != nil {
		return fmt.Errorf("fetching %s: %w", b.Digest, err)
	}
	if size != b.Size || "sha256:"+hex.EncodeToString(sum.Sum(nil)) != b.Digest {
		return fmt.Errorf("%s has other bytes than its digest says", b.Digest)
	}
	return nil
}
