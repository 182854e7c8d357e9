package split

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vision-platform/trainer-agent/contract"
)

// splits reads {"image id or file name": "train" | "val" | "test" | null}. It
// also takes {"train": [ids], "val": [ids]}, which some producers write. The
// same image in two splits is a mistake, so duplicate keys are looked for, which
// encoding/json would hide.
func (p *parser) splits(raw json.RawMessage) map[string]contract.Split {
	if !given(raw) {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		p.fail(`custom_splits is %s, expected {"image id": "train"}`, brief(raw))
		return nil
	}
	splits := make(map[string]contract.Split)
	for dec.More() {
		key, err := dec.Token()
		if err == nil {
			err = readEntry(dec, splits, fmt.Sprint(key))
		}
		if err != nil {
			p.fail("custom_splits: %w", err)
			return nil
		}
	}
	return splits
}

func readEntry(dec *json.Decoder, splits map[string]contract.Split, key string) error {
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return err
	}
	if bytes.HasPrefix(value, []byte("[")) {
		return readList(value, splits, key)
	}
	var name *string
	if err := json.Unmarshal(value, &name); err != nil {
		return fmt.Errorf(`image %q has split %s, expected "train", "val", "test" or null`, key, brief(value))
	}
	s := contract.Split("")
	if name != nil {
		s = contract.Split(*name)
	}
	return put(splits, key, s)
}

// readList reads one split's list of ids.
func readList(value json.RawMessage, splits map[string]contract.Split, name string) error {
	if !Valid(contract.Split(name)) || name == "" {
		return fmt.Errorf(`%q holds a list, which only "train", "val" and "test" may`, name)
	}
	var ids []json.RawMessage
	if err := json.Unmarshal(value, &ids); err != nil {
		return err
	}
	for _, raw := range ids {
		id, ok := idText(raw)
		if !ok {
			return fmt.Errorf("split %q lists %s, expected an image id", name, brief(raw))
		}
		if err := put(splits, id, contract.Split(name)); err != nil {
			return err
		}
	}
	return nil
}

func put(splits map[string]contract.Split, key string, s contract.Split) error {
	if !Valid(s) {
		return fmt.Errorf(`image %q has split %q, expected "train", "val", "test" or null`, key, s)
	}
	if before, twice := splits[key]; twice && before != s {
		return fmt.Errorf("image %q is in two splits, %q and %q", key, before, s)
	}
	splits[key] = s
	return nil
}

// Valid reports whether s is a split or empty, which means: assign automatically.
func Valid(s contract.Split) bool {
	switch s {
	case "", contract.SplitTrain, contract.SplitVal, contract.SplitTest:
		return true
	}
	return false
}
