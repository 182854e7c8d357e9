package install_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/install"
)

// hub has bytes under their digests.
type hub map[string][]byte

func (h hub) Content(_ context.Context, _, digest string) (io.ReadCloser, error) {
	text, ok := h[digest]
	if !ok {
		return nil, fmt.Errorf("there is no %s", digest)
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

func (h hub) put(text []byte) string {
	sum := sha256.Sum256(text)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	h[digest] = text
	return digest
}

// manifest puts a manifest with one file.
func (h hub) manifest(t *testing.T, title string, file []byte) string {
	t.Helper()
	media := contract.MediaWheel
	if title == "package.zip" {
		media = contract.MediaPackage
	}
	text, err := json.Marshal(map[string]any{
		"config": map[string]any{"digest": h.put([]byte("{}")), "size": 2},
		"layers": []map[string]any{{"digest": h.put(file), "size": len(file), "mediaType": media, "annotations": map[string]string{contract.AnnotationTitle: title}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h.put(text)
}

var key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// released is a hub with a release whose bundle has one file, and whose key has signed for it.
func released(t *testing.T, title string, file []byte) (hub, contract.Release) {
	t.Helper()
	h := hub{}
	release := contract.Release{Name: "cells", Version: "1.0.0", PackageSHA: "00", Python: "3.0", Platform: "linux/none"}
	release.Bundle, release.SBOM, release.Image = h.manifest(t, title, file), h.manifest(t, "sbom", []byte("{}")), h.manifest(t, "layer", []byte("files"))
	s := contract.Statement{Type: contract.StatementType, PredicateType: contract.ProvenanceType, Subject: []contract.Resource{
		{Name: contract.BundleName("cells"), Digest: map[string]string{"sha256": release.Bundle[7:]}}, {Name: "cells", Digest: map[string]string{"sha256": release.Image[7:]}},
	}}
	s.Predicate.BuildDefinition.ExternalParameters = map[string]string{"name": "cells", "version": "1.0.0", "package_sha256": "00", "python": "3.0", "platform": "linux/none"}
	s.Predicate.RunDetails.Byproducts = []contract.Resource{{Name: contract.SBOMName, Digest: map[string]string{"sha256": release.SBOM[7:]}}}
	payload, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	release.Attestation = h.manifest(t, "provenance", enveloped(t, payload))
	return h, release
}

func enveloped(t testing.TB, payload []byte) []byte {
	t.Helper()
	e := contract.Envelope{PayloadType: contract.MediaAttestation, Payload: payload}
	e.Signatures = []contract.Signature{{KeyID: "any", Sig: ed25519.Sign(key, e.Signed())}}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Another Python, a file that would lie elsewhere, and a key that did not sign: nothing is
// installed, and nothing stays.
func TestNothingIsInstalledThatDoesNotHold(t *testing.T) {
	public, wheel := key.Public().(ed25519.PublicKey), []byte("a wheel")
	same := func(*contract.Release) {}
	for name, c := range map[string]struct {
		title  string
		file   []byte
		change func(*contract.Release)
		key    ed25519.PublicKey
		want   string
	}{
		"another Python":            {"a.whl", wheel, func(r *contract.Release) { r.Python = "2.0" }, public, "requires Python 2.0 linux/none"},
		"another key":               {"a.whl", wheel, same, make([]byte, ed25519.PublicKeySize), "another hub signed it"},
		"a path":                    {"../../a.whl", wheel, same, public, "is no name of a file"},
		"hidden":                    {".a.whl", wheel, same, public, "is no name of a file"},
		"no package":                {"a.whl", wheel, same, public, "unpacking the package"},
		"an environment of its own": {"package.zip", zipped(t, "train.py", ".venv/lib/own.pth"), same, public, "has a .venv of its own"},
		"another bundle":            {"a.whl", wheel, func(r *contract.Release) { r.Bundle = r.SBOM }, public, "is not what was signed"},
		"it is gone":                {"a.whl", wheel, func(r *contract.Release) { r.Attestation = "sha256:00" }, public, "there is no sha256:00"},
	} {
		h, release := released(t, c.title, c.file)
		c.change(&release)
		dir := t.TempDir()
		python := filepath.Join(dir, "python") // one that answers what the release wants
		if err := os.WriteFile(python, []byte("#!/bin/sh\necho 3.0 linux/none\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		err := install.Here(t.Context(), h, release, c.key, python, filepath.Join(dir, "trainer"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
		if len(left)+len(hidden) > 1 || err != nil { // the python
			t.Errorf("%s left %v %v", name, left, hidden)
		}
	}
}

// zipped is a zip of empty files.
func zipped(t *testing.T, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A hub that leaves out what was signed, or names another Python, does not answer with the
// release that was signed.
func TestOnlyTheWholeReleaseIsVerified(t *testing.T) {
	h, release := released(t, "a.whl", []byte("a wheel"))
	public := key.Public().(ed25519.PublicKey)
	if err := install.Verify(t.Context(), h, release, public); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*contract.Release){
		"no bundle":            func(r *contract.Release) { r.Bundle = "" },
		"no image":             func(r *contract.Release) { r.Image = "" },
		"no bill of materials": func(r *contract.Release) { r.SBOM = "" },
		"another Python":       func(r *contract.Release) { r.Python = "3.9" },
		"another platform":     func(r *contract.Release) { r.Platform = "linux/arm64" },
	} {
		other := release
		change(&other)
		if err := install.Verify(t.Context(), h, other, public); err == nil || !strings.Contains(err.Error(), "signed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a hub sends: only what the key signed is a statement.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": [{"sig": "AA=="}]}`))
	f.Add(enveloped(f, []byte(`{"_type": "x"}`)))
	f.Add([]byte(`{"signatures": [{}]}`))
	public := key.Public().(ed25519.PublicKey)
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := install.Open(text, public); err == nil {
			t.Errorf("%q is taken", text)
		}
	})
}
