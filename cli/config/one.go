package config

// Lookup returns one setting. The error wraps record.ErrInvalid and names the
// nearest when there is none of that name.
func (c *Config) Lookup(name string) (Setting, error) {
	for _, s := range c.All() {
		if s.Name == name {
			return s, nil
		}
	}
	return Setting{}, unknown(name, "")
}
