package config

import (
	"os"
	"strings"
	"testing"
)

// Whoever makes a job writes these: whatever they hold, what is wrong is told by name, and no secret in the telling.
func FuzzLoad(f *testing.F) {
	f.Add("CONFIG_JSON", `{"mosaic": 0.5, "nested": {"a": [1, null]}}`)
	f.Add("SPLIT_STRATEGY", `{"method": "custom", "custom_splits": {"1": "train", "2": null}}`)
	f.Add("IMAGE_PATHS", `["s3://b/a.jpg", ""]`)
	f.Add("INPUT_SIZE", `[640, 1e9]`)
	f.Add("AGENT_RUN_AS", "1000:-1")
	f.Add("AGENT_MAX_DATASET_BYTES", "99999999999TiB")
	f.Add("AGENT_STOP_GRACE", "9999999h")
	f.Add("PRETRAINED_WEIGHT_URL", "https://me:word@[::1/x?X-Amz-Signature=verysecret")
	f.Add("S3_ENDPOINT", "http://me:verysecret@host:99999/%zz")
	f.Add("EPOCHS", "9223372036854775808")
	for _, pair := range os.Environ() { // the fuzzer's own
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AGENT_") || strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "" || strings.ContainsAny(name, "\x00=") || strings.Contains(value, "\x00") || len(value) > 1<<16 {
			return // no system has such a variable
		}
		for name, value := range minimal {
			t.Setenv(name, value)
		}
		t.Setenv(name, value)
		c, problems := Load()
		if c == nil {
			t.Fatal("no configuration")
		}
		for _, p := range problems {
			if p.Variable == "" {
				t.Errorf("%+v names no variable", p)
			}
			if strings.Contains(p.String(), "tok-secret") || strings.Contains(p.String(), "sk-secret") {
				t.Errorf("a secret is in %s", p.String())
			}
		}
	})
}
