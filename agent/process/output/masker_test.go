package output

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mask(t testing.TB, secrets []string, pieces ...string) string {
	var out bytes.Buffer
	m := NewMasker(&out, secrets)
	for _, p := range pieces {
		if n, err := m.Write([]byte(p)); err != nil || n != len(p) {
			t.Fatalf("writing: %d, %v", n, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// slowMask is the definition: every byte of every occurrence, runs become one Mask.
func slowMask(secrets []string, in string) string {
	hidden := make([]bool, len(in))
	for _, s := range spellings(secrets) {
		for i := range len(in) {
			if strings.HasPrefix(in[i:], s) {
				for j := range s {
					hidden[i+j] = true
				}
			}
		}
	}
	var out strings.Builder
	for i := range len(in) {
		switch {
		case !hidden[i]:
			out.WriteByte(in[i])
		case i == 0 || !hidden[i-1]:
			out.WriteString(Mask)
		}
	}
	return out.String()
}

func TestMaskerHidesASecretInAnyPieces(t *testing.T) {
	secret := "minioadmin"
	in := "key=minioadmin; key=minioadmi; key=minioadmin"
	want := "key=***; key=minioadmi; key=***"
	for cut := range in {
		if got := mask(t, []string{secret}, in[:cut], in[cut:]); got != want {
			t.Fatalf("cut at %d: %q", cut, got)
		}
	}
}

func TestMaskerHidesOtherSpellings(t *testing.T) {
	secret := `p&ss "word"/+`
	for _, in := range []string{`p&ss "word"/+`, `p%26ss+%22word%22%2F%2B`, `p\u0026ss \"word\"/+`} {
		if got := mask(t, []string{secret}, "<"+in+">"); got != "<***>" {
			t.Errorf("%s shows as %s", in, got)
		}
	}
}

func TestMaskerPassesEverythingWithoutSecrets(t *testing.T) {
	if got := mask(t, []string{"", "abc", " \n"}, "abc\xff\x00", "abc"); got != "abc\xff\x00abc" {
		t.Errorf("got %q", got)
	}
}

func TestMaskerHoldsBackOnlyWhatMayBecomeASecret(t *testing.T) {
	var out bytes.Buffer
	m := NewMasker(&out, []string{"hunter2"})
	_, _ = m.Write([]byte("password? hun"))
	if out.String() != "password? " {
		t.Errorf("held back too much or too little: %q", out.String())
	}
	_, _ = m.Write([]byte("gry"))
	if out.String() != "password? hungry" {
		t.Errorf("still held back: %q", out.String())
	}
}

func TestMaskerEqualsItsDefinition(t *testing.T) {
	word := rapid.StringMatching(`[ab]{4,7}`)
	rapid.Check(t, func(r *rapid.T) {
		secrets := rapid.SliceOfN(word, 0, 4).Draw(r, "secrets")
		in := rapid.StringMatching(`[abc]{0,60}`).Draw(r, "in")
		var pieces []string
		cuts(r, []byte(in), func(b []byte) { pieces = append(pieces, string(b)) })
		if got, want := mask(t, secrets, pieces...), slowMask(secrets, in); got != want {
			r.Fatalf("secrets %q, in %q: got %q, want %q", secrets, in, got, want)
		}
	})
}

func FuzzMasker(f *testing.F) {
	f.Add("token", "a tok", "en b")
	f.Add("aaaa", "aaa", "aaaab")
	f.Add("p%ss w\x00rd", "p%25ss%20w", "%00rd")
	f.Fuzz(func(t *testing.T, secret, first, second string) {
		got := mask(t, []string{secret}, first, second)
		if want := slowMask([]string{secret}, first+second); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func BenchmarkMasker(b *testing.B) {
	line := []byte(strings.Repeat("epoch 3/50  box_loss 1.234  cls_loss 0.987 \r", 1500))
	m := NewMasker(&bytes.Buffer{}, []string{"minioadmin", "AKIAIOSFODNN7EXAMPLE", strings.Repeat("s3cr3t/", 150)})
	m.w = discard{}
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		_, _ = m.Write(line)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
