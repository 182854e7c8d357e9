package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/split"
)

// Secret is a value that shows as *** wherever it is printed, logged or encoded.
type Secret struct{ value string }

// NewSecret wraps a value.
func NewSecret(v string) Secret { return Secret{v} }

// Reveal returns the value: the one way to get at it.
func (s Secret) Reveal() string { return s.value }

// Set reports whether there is a value.
func (s Secret) Set() bool { return s.value != "" }

// Decode implements envconfig.Decoder.
func (s *Secret) Decode(v string) error { s.value = strings.TrimSpace(v); return nil }

func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return "***"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return "config.Secret(" + s.String() + ")" }

// MarshalJSON hides the value from JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// LogValue hides the value from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// BaseURL is an http(s) address without a trailing slash.
type BaseURL string

// Decode implements envconfig.Decoder.
func (u *BaseURL) Decode(v string) error {
	v = strings.TrimRight(strings.TrimSpace(v), "/")
	p, err := url.Parse(v)
	if err != nil || (p.Scheme != "http" && p.Scheme != "https") || p.Host == "" {
		return fmt.Errorf("expected an http or https URL")
	}
	if p.User != nil {
		return fmt.Errorf("expected a URL without a user name or password in it")
	}
	if p.RawQuery != "" || p.Fragment != "" {
		return fmt.Errorf("expected a URL without a query")
	}
	*u = BaseURL(v)
	return nil
}

// Bytes is a size or a rate in bytes: "1048576", "512MiB", "10GB".
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1},
}

// Decode implements envconfig.Decoder.
func (b *Bytes) Decode(v string) error {
	text, factor := strings.ToLower(strings.TrimSpace(v)), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < 0 || n*factor > math.MaxInt64/2 {
		return fmt.Errorf("expected a number of bytes, with or without a unit (KiB, MiB, GiB, kB, MB, GB)")
	}
	*b = Bytes(n * factor)
	return nil
}

// List is a JSON list of strings.
type List []string

// Decode implements envconfig.Decoder.
func (l *List) Decode(v string) error {
	var items []*string
	if err := json.Unmarshal([]byte(v), &items); err != nil {
		return fmt.Errorf("expected a JSON list of strings")
	}
	*l = make(List, 0, len(items))
	for _, item := range items {
		if item == nil || *item == "" {
			return fmt.Errorf("expected a JSON list of strings, none of them empty or null")
		}
		*l = append(*l, *item)
	}
	return nil
}

// Size is a model's input size, height and width in pixels.
type Size [2]int

// Decode implements envconfig.Decoder.
func (s *Size) Decode(v string) error {
	var list []int
	if err := json.Unmarshal([]byte(v), &list); err != nil || len(list) != 2 || min(list[0], list[1]) < 1 {
		return fmt.Errorf("expected a JSON list of height and width in pixels, both at least 1")
	}
	*s = Size{list[0], list[1]}
	return nil
}

// Ints is a comma-separated list of whole numbers.
type Ints []int

// Decode implements envconfig.Decoder.
func (l *Ints) Decode(v string) error {
	for _, part := range strings.Split(v, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("expected whole numbers separated by commas")
		}
		*l = append(*l, n)
	}
	return nil
}

var variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })

// NameList is a comma-separated list of variables.
type NameList []string

// Decode implements envconfig.Decoder.
func (l *NameList) Decode(v string) error {
	for _, part := range strings.Split(v, ",") {
		name := strings.TrimSpace(part)
		if !variableName().MatchString(name) {
			return fmt.Errorf("expected names of variables separated by commas")
		}
		*l = append(*l, name)
	}
	return nil
}

// reason is an error whose words help more than what the variable expects.
type reason struct{ error }

// Strategy is SPLIT_STRATEGY.
type Strategy struct{ *contract.SplitStrategy }

// Decode implements envconfig.Decoder.
func (s *Strategy) Decode(v string) (err error) {
	if s.SplitStrategy, err = split.ParseStrategy([]byte(v)); err != nil {
		return reason{err}
	}
	return nil
}

// Identity is a user and a group, both by number.
type Identity struct{ UID, GID uint32 }

// Decode implements envconfig.Decoder.
func (i *Identity) Decode(v string) error {
	uid, gid, ok := strings.Cut(v, ":")
	u, errU := strconv.ParseUint(uid, 10, 32)
	g, errG := strconv.ParseUint(gid, 10, 32)
	// The last number is (uid_t)−1, which means "no change" to the kernel.
	if !ok || errU != nil || errG != nil || u == math.MaxUint32 || g == math.MaxUint32 {
		return fmt.Errorf("expected uid:gid, both as numbers")
	}
	i.UID, i.GID = uint32(u), uint32(g)
	return nil
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
