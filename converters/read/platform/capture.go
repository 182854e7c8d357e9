package platform

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/split"
)

// splitConfig is captured as text, since its parser is the one of SPLIT_STRATEGY.
func (d *reader) splitConfig() error {
	var text bytes.Buffer
	if err := d.capture(&text, 0); err != nil {
		return err
	}
	if text.String() == "null" {
		return nil
	}
	config, err := split.ParseConfig(text.Bytes())
	if err != nil {
		d.problems.Add(problem.BadSplitConfig, 0, "%v", err)
		return nil
	}
	d.c.Split = config
	return nil
}

// capture copies one value as compact JSON.
func (d *values) capture(out *bytes.Buffer, depth int) error {
	c, err := d.s.peek()
	if err != nil {
		return err
	}
	if depth > maxDepth || out.Len() > split.MaxStrategyBytes {
		return fmt.Errorf("split_config: %w", errTooLarge)
	}
	separate := func(first byte) {
		if last := out.Bytes()[out.Len()-1]; last != first && last != ':' {
			out.WriteByte(',')
		}
	}
	switch c {
	case '{':
		out.WriteByte('{')
		err = d.s.object(func(key []byte) error {
			separate('{')
			quote(out, key)
			out.WriteByte(':')
			return d.capture(out, depth+1)
		})
		out.WriteByte('}')
	case '[':
		out.WriteByte('[')
		err = d.s.array(func() error {
			separate('[')
			return d.capture(out, depth+1)
		})
		out.WriteByte(']')
	case '"':
		var b []byte
		b, err = d.s.str()
		quote(out, b)
	case 't', 'f', 'n':
		var b byte
		b, err = d.s.literal()
		out.WriteString(map[byte]string{'t': "true", 'f': "false", 'n': "null"}[b])
	default:
		var b []byte
		_, b, err = d.s.number()
		out.Write(b)
	}
	return err
}

func quote(out *bytes.Buffer, b []byte) {
	text, _ := json.Marshal(string(b)) // a string never fails
	out.Write(text)
}
