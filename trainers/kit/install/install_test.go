package install_test

import (
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
	"github.com/vision-platform/trainer-agent/testdata/need"
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
	text, err := json.Marshal(map[string]any{
		"config": map[string]any{"digest": h.put([]byte("{}")), "size": 2},
		"layers": []map[string]any{{"digest": h.put(file), "size": len(file), "mediaType": contract.MediaWheel, "annotations": map[string]string{contract.AnnotationTitle: title}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h.put(text)
}

var key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// released is a hub with a release whose bundle has one file, and whose key has signed for it.
func released(t *testing.T, title string) (hub, contract.Release) {
	t.Helper()
	h := hub{}
	release := contract.Release{Name: "cells", Version: "1.0.0", PackageSHA: "00", Python: "3.0", Platform: "linux/none"}
	release.Bundle, release.SBOM = h.manifest(t, title, []byte("a wheel")), h.manifest(t, "sbom", []byte("{}"))
	s := contract.Statement{Type: contract.StatementType, PredicateType: contract.ProvenanceType, Subject: []contract.Resource{{Name: contract.BundleName("cells"), Digest: map[string]string{"sha256": release.Bundle[7:]}}}}
	s.Predicate.BuildDefinition.ExternalParameters = map[string]string{"name": "cells", "version": "1.0.0", "package_sha256": "00"}
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
	public := key.Public().(ed25519.PublicKey)
	fits := func(r *contract.Release) { // this machine's Python
		r.Python, r.Platform = "x", "y"
	}
	for name, c := range map[string]struct {
		title  string
		change func(*contract.Release)
		key    ed25519.PublicKey
		want   string
	}{
		"another Python": {"a.whl", func(*contract.Release) {}, public, "requires Python 3.0 linux/none"},
		"another key":    {"a.whl", fits, make([]byte, ed25519.PublicKeySize), "another hub signed it"},
		"a path":         {"../../a.whl", fits, public, "is no name of a file"},
		"hidden":         {".a.whl", fits, public, "is no name of a file"},
		"no package":     {"a.whl", fits, public, "unpacking the package"},
		"another bundle": {"a.whl", func(r *contract.Release) { fits(r); r.Bundle = r.SBOM }, public, "is not what was signed"},
		"it is gone":     {"a.whl", func(r *contract.Release) { fits(r); r.Attestation = "sha256:00" }, public, "there is no sha256:00"},
	} {
		h, release := released(t, c.title)
		c.change(&release)
		dir, python := t.TempDir(), need.Python(t)
		if release.Python == "x" {
			python = filepath.Join(dir, "python") // one that answers what the release wants
			if err := os.WriteFile(python, []byte("#!/bin/sh\necho x y\n"), 0o700); err != nil {
				t.Fatal(err)
			}
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
