package upload

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func zipped(t testing.TB, files ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, file := range files {
		w, err := z.Create(file[0])
		if err == nil {
			_, err = w.Write([]byte(file[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func at(t testing.TB, body []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trainer.zip")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPeekTakesTheOutermost(t *testing.T) {
	body := zipped(t, [2]string{"my/capabilities.json", `{"framework": "inner"}`}, [2]string{"capabilities.json", `{"framework": "outer"}`}, [2]string{"a/b/capabilities.json", "x"})
	if c, err := peek(at(t, body)); c.Framework != "outer" || err != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

// What is left out when a package is unpacked gives it no name.
func TestPeekTakesWhatIsProven(t *testing.T) {
	body := zipped(t, [2]string{"__MACOSX/capabilities.json", `{"framework": "left-out"}`}, [2]string{"my/capabilities.json", `{"framework": "proven"}`})
	if c, err := peek(at(t, body)); c.Framework != "proven" || err != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

// A document that unpacks to gigabytes is read no further than its limit.
func TestPeekReadsNoBomb(t *testing.T) {
	body := zipped(t, [2]string{"capabilities.json", strings.Repeat(" ", maxCapabilities+1)})
	if _, err := peek(at(t, body)); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

func FuzzPeek(f *testing.F) {
	f.Add(zipped(f, [2]string{"capabilities.json", `{"framework": "x", "models": [{"parameters": {"min": 1}}]}`}))
	f.Add(zipped(f, [2]string{"a/capabilities.json", `[`}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		_, _ = peek(at(t, body)) // whatever it is: an answer, no panic
	})
}
