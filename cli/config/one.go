package config

// Lookup returns one setting. For an unknown name the error wraps record.ErrInvalid and
// names the nearest setting.
func (c *Config) Lookup(name string) (Setting, error) {
	for _, s := range c.All() {
		if s.Name == name {
			return s, nil
		}
	}
	if search, ok := searchName(name); ok {
		_, err := c.Search(search)
		return Setting{}, err
	}
	return Setting{}, unknown(name, "")
}
