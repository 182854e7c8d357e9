package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func stream(t testing.TB, secrets []string, pieces ...string) string {
	t.Helper()
	var out bytes.Buffer
	m := New(secrets).Writer(&out)
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

// place is a byte that the stream stands for, and where it does.
type place struct {
	b          byte
	start, end int
}

// undone reads a text with one kind of escape, the slow and plain way.
func undone(in string, escapes *regexp.Regexp, undo func(string) string) (text string, places []place) {
	for i := 0; i < len(in); {
		n, decoded := 1, in[i:i+1]
		if at := escapes.FindStringIndex(in[i:]); at != nil && at[0] == 0 {
			if d := undo(in[i : i+at[1]]); d != "" {
				n, decoded = at[1], d
			}
		}
		for _, b := range []byte(decoded) {
			places = append(places, place{b, i, i + n})
		}
		text += decoded
		i += n
	}
	return text, places
}

var (
	plain     = regexp.MustCompile(`^\x00never`)
	percents  = regexp.MustCompile(`^%[0-9a-fA-F]{2}`)
	quotes    = regexp.MustCompile(`^\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|["'\\/bfnrt])`)
	addresses = regexp.MustCompile("(?s)://([^\\x00-\\x20\\x7f/?#\"'<>`\\\\^{|}]*)@")
	surrogate = regexp.MustCompile(`^\\u[dD][89abAB][0-9a-fA-F]{2}$`)
)

func unquoted(text string) string {
	switch {
	case surrogate.MatchString(text):
		return "" // half of a pair
	case text[1] == 'x':
		b, _ := strconv.ParseUint(text[2:], 16, 8)
		return string([]byte{byte(b)})
	case text[1] == '\'':
		return "'"
	}
	var s string
	if json.Unmarshal([]byte(`"`+text+`"`), &s) != nil {
		return ""
	}
	return s
}

func unpercented(text string) string {
	b, _ := strconv.ParseUint(text[1:], 16, 8)
	return string([]byte{byte(b)})
}

// slow is the definition: every byte of every occurrence, runs become one Mask.
func slow(secrets []string, in string) string {
	hidden := make([]bool, len(in))
	for _, view := range []struct {
		escapes *regexp.Regexp
		undo    func(string) string
	}{{plain, nil}, {percents, unpercented}, {quotes, unquoted}} {
		text, places := undone(in, view.escapes, view.undo)
		for _, word := range words(secrets) {
			for i := range text {
				if strings.HasPrefix(text[i:], word) {
					for j := places[i].start; j < places[i+len(word)-1].end; j++ {
						hidden[j] = true
					}
				}
			}
		}
	}
	for from := 0; ; from++ {
		at := addresses.FindStringSubmatchIndex(in[from:])
		if at == nil {
			break
		}
		for j := at[2]; j < at[3]; j++ {
			hidden[from+j] = true
		}
		from += at[0]
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

func TestASecretIsHiddenInAnyPieces(t *testing.T) {
	in := "key=minioadmin; key=minioadmi; key=minioadmin"
	want := "key=***; key=minioadmi; key=***"
	for cut := range in {
		if got := stream(t, []string{"minioadmin"}, in[:cut], in[cut:]); got != want {
			t.Fatalf("cut at %d: %q", cut, got)
		}
	}
}

func TestASecretIsHiddenInEverySpelling(t *testing.T) {
	secret := `p&ss "wörd"/+'😀`
	quoted, _ := json.Marshal(secret)
	twice, _ := json.Marshal(string(quoted))
	for name, in := range map[string]string{
		"as it is":                  secret,
		"Go's JSON":                 strings.Trim(string(quoted), `"`),
		"JSON in JSON":              strings.Trim(string(twice), `"\`),
		"Python's JSON":             `p&ss \"w\u00f6rd\"/+'\ud83d\ude00`,
		"JSON, upper case":          `p\u0026ss \"w\u00F6rd\"\/+\u0027\uD83D\uDE00`,
		"Python's repr":             `p&ss "w\xc3\xb6rd"/+\'` + "😀",
		"a form":                    url.QueryEscape(secret),
		"a path":                    url.PathEscape(secret),
		"lower case hex":            strings.ToLower(url.QueryEscape(secret)),
		"mixed hex, slash as it is": `p%26ss%20%22w%c3%B6rd%22/%2b%27%F0%9f%98%80`,
		"encodeURIComponent":        `p%26ss%20%22w%C3%B6rd%22%2F%2B'%F0%9F%98%80`,
		"escaped twice":             url.QueryEscape(url.QueryEscape(secret)),
	} {
		for _, cut := range []int{0, 1, len(in) / 2, len(in) - 1} {
			if got := stream(t, []string{secret}, "<"+in[:cut], in[cut:]+">"); got != "<***>" {
				t.Errorf("%s: %s shows as %s", name, in, got)
			}
		}
	}
}

func TestASecretIsHiddenInBase64AtAnyAlignment(t *testing.T) {
	secret := "s3cr3t?>~/key+1"
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		for _, before := range []string{"", "u", "us", "user:"} {
			for _, after := range []string{"", "@", "@x", "\x00\x00\x00"} {
				in := encoding.EncodeToString([]byte(before + secret + after))
				for _, spelt := range []string{in, url.QueryEscape(in), strings.ReplaceAll(in, "/", `\/`)} {
					got := New([]string{secret}).String("Basic " + spelt)
					shown := strings.TrimPrefix(got, "Basic ")
					// Of the secret at most the bits that share a character with its neighbours show.
					if !strings.Contains(shown, Mask) || len(shown) > len(Mask)+len(spelt)-len(secret)*8/6+4 {
						t.Errorf("%q + secret + %q: %s", before, after, got)
					}
				}
			}
		}
	}
}

func TestTheUserOfAURLIsHidden(t *testing.T) {
	for in, want := range map[string]string{
		"HTTPS_PROXY=http://me:pa55@proxy.test:3128 ok":   "HTTPS_PROXY=http://***@proxy.test:3128 ok",
		"https://ghp_token@github.com/x.git":              "https://***@github.com/x.git",
		"postgres://u:p@ss@db.test/name":                  "postgres://***@db.test/name",
		`{"url":"amqp://u:p@h"}`:                          `{"url":"amqp://***@h"}`,
		"http://a.test/~b@c and http://localhost:8080":    "http://a.test/~b@c and http://localhost:8080",
		"s3://bucket/a@b.jpg":                             "s3://bucket/a@b.jpg",
		"mail me@home.test":                               "mail me@home.test",
		"http://" + strings.Repeat("x", 3000) + "@a.test": "http://" + strings.Repeat("x", 3000) + "@a.test",
		"http://@a.test http://u:p@b.test":                "http://@a.test http://***@b.test",
	} {
		var r *Redactor // knows no secret
		if got := r.String(in); got != want {
			t.Errorf("%.80q", got)
		}
		for cut := range min(len(in), 100) {
			if got := stream(t, nil, in[:cut], in[cut:]); got != want {
				t.Errorf("cut at %d: %.80q", cut, got)
			}
		}
	}
}

func TestEverythingElsePassesUnchanged(t *testing.T) {
	for _, in := range []string{"abc\xff\x00abc", `C:\new\ud83d\q 100%`, "%%%", `\`, `\u12`, "http://"} {
		if got := stream(t, []string{"", "abc", " \n", "hunter2"}, in); got != in {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestOnlyWhatMayBecomeASecretIsHeldBack(t *testing.T) {
	var out bytes.Buffer
	m := New([]string{"hunter2"}).Writer(&out)
	for _, step := range []struct{ write, shown string }{
		{"password? hun", "password? "},
		{"gry", "password? hungry"},
		{" 5%", "password? hungry 5"},
		{" http:/", "password? hungry 5% http:/"},
		{"/host", "password? hungry 5% http://"},
		{"\n", "password? hungry 5% http://host\n"},
		{`%68unter`, "password? hungry 5% http://host\n"},
		{`3`, "password? hungry 5% http://host\n%68unter3"},
	} {
		_, _ = m.Write([]byte(step.write))
		if out.String() != step.shown {
			t.Errorf("after %q: %q", step.write, out.String())
		}
	}
}

func TestJSONStaysJSON(t *testing.T) {
	secret := "\"\nquoted"
	in, _ := json.Marshal(map[string]any{"a": "x" + secret + "y", "b": []string{"\nquoted"}, secret: 5, "c": "plain"})
	got := New([]string{secret, "nquoted"}).JSON(in)
	var back map[string]any
	if err := json.Unmarshal(got, &back); err != nil || back["a"] != "x***y" || back["***"] != 5.0 || back["c"] != "plain" {
		t.Errorf("%s: %v", got, err)
	}
	if same := New([]string{"else"}).JSON(in); !bytes.Equal(same, in) {
		t.Errorf("%s", same)
	}
}

func TestAnErrorKeepsWhatItIs(t *testing.T) {
	r := New([]string{"hunter2"})
	err := r.Error(&fs.PathError{Op: "open", Path: "/hunter2", Err: fs.ErrNotExist})
	if err.Error() != "open /***: file does not exist" || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if other := io.EOF; !errors.Is(r.Error(other), other) || r.Error(other).Error() != other.Error() || r.Error(nil) != nil {
		t.Error("changed without need")
	}
}

// spellings writes a text in one of the ways in which it is looked for.
func spelling(r *rapid.T, s string) string {
	switch rapid.IntRange(0, 6).Draw(r, "spelling") {
	case 0:
		return url.QueryEscape(s)
	case 1:
		return strings.ToLower(url.QueryEscape(s))
	case 2:
		b, _ := json.Marshal(s)
		return strings.Trim(string(b), `"`)
	case 3:
		return base64.StdEncoding.EncodeToString([]byte(rapid.StringMatching(`a{0,2}`).Draw(r, "before") + s))
	case 4: // every byte, by the way
		var out strings.Builder
		for _, b := range []byte(s) {
			out.WriteString("%" + strconv.FormatUint(uint64(b)|0x100, 16)[1:])
		}
		return out.String()
	}
	return s
}

func cuts(r *rapid.T, in string) (pieces []string) {
	for len(in) > 0 {
		n := rapid.IntRange(1, len(in)).Draw(r, "piece")
		pieces = append(pieces, in[:n])
		in = in[n:]
	}
	return pieces
}

func TestTheStreamEqualsItsDefinition(t *testing.T) {
	secret := rapid.StringMatching(`[ab%\\"/ :@]{4,7}`)
	rapid.Check(t, func(r *rapid.T) {
		secrets := rapid.SliceOfN(secret, 0, 3).Draw(r, "secrets")
		var in strings.Builder
		for range rapid.IntRange(0, 6).Draw(r, "parts") {
			in.WriteString(rapid.StringMatching(`[abc%\\u0d8"/:@ 26]{0,8}`).Draw(r, "text"))
			if len(secrets) > 0 {
				in.WriteString(spelling(r, rapid.SampledFrom(secrets).Draw(r, "secret")))
			}
		}
		if got, want := stream(t, secrets, cuts(r, in.String())...), slow(secrets, in.String()); got != want {
			r.Fatalf("secrets %q, in %q:\n got %q\nwant %q", secrets, in.String(), got, want)
		}
	})
}

func FuzzRedactor(f *testing.F) {
	f.Add("token", "a tok", "en b")
	f.Add("aaaa", "aaa", "aaaab")
	f.Add("p%ss w\x00rd", "p%25ss%20w", "%00rd")
	f.Add("k\"ey1", `\u006b\"`, `\u0065y1`)
	f.Add("none", "http://u:p", "@h/")
	f.Fuzz(func(t *testing.T, secret, first, second string) {
		got := stream(t, []string{secret}, first, second)
		if want := slow([]string{secret}, first+second); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func BenchmarkWriter(b *testing.B) {
	r := New([]string{"minioadmin", "AKIAIOSFODNN7EXAMPLE", strings.Repeat("s3cr3t/", 150)})
	for name, text := range map[string]string{
		"progress": strings.Repeat("epoch 3/50  box_loss 1.234  cls_loss 0.987 \r", 1500),
		"escapes":  strings.Repeat(`{"line": "50%\n", "path": "C:\\new\u00e9"}`, 1500),
	} {
		b.Run(name, func(b *testing.B) {
			m := r.Writer(discard{})
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, _ = m.Write([]byte(text))
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	presigned := make([]byte, 1000)
	for i := range presigned {
		presigned[i] = "abcdefghijklmnopqrstuvwxyz0123456789&=/%"[rand.Intn(40)]
	}
	for b.Loop() {
		New([]string{"minioadmin", "AKIAIOSFODNN7EXAMPLE", string(presigned)})
	}
}

// A progress bar that ends in a percent sign is seen at once; a secret that begins
// with an escape after such a pause stays hidden but for that sign.
func TestALoneEscapeSignIsNotHeldBack(t *testing.T) {
	var out strings.Builder
	w := New([]string{"hunter2-hunter2"}).Writer(&out)
	write := func(text string) {
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Release(); err != nil {
			t.Fatal(err)
		}
	}
	write("bar 1: 10%")
	if out.String() != "bar 1: 10%" {
		t.Errorf("shown: %q", out.String())
	}
	write("\rbar 1: 20%")
	write("\nurl=%")
	write("68unter2-hunter2 end\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, "unter2") || got != "bar 1: 10%\rbar 1: 20%\nurl=%"+Mask+" end\n" {
		t.Errorf("shown: %q", got)
	}
}
