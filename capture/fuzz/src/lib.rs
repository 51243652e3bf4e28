//! What the fuzz targets share: a reader of bencoding that has nothing in common with the one it is
//! held against.

/// A bencoded value (BEP 3).
#[derive(Debug, PartialEq)]
pub enum Value<'a> {
    /// An integer, as it is written: its size is not limited.
    Number(&'a [u8]),
    /// A byte string.
    String(&'a [u8]),
    /// A list.
    List(Vec<Value<'a>>),
    /// A dictionary, keys in order.
    Dict(Vec<(&'a [u8], Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The value that `bytes` are the canonical form of, nested at most `depth` deep.
    pub fn read(mut bytes: &'a [u8], depth: usize) -> Option<Self> {
        let value = value(&mut bytes, depth)?;
        bytes.is_empty().then_some(value)
    }

    /// What a dictionary holds under `key`.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(entries) = self else { return None };
        entries.iter().find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
    }

    /// The bytes that a dictionary holds under `key`.
    pub fn string(&self, key: &str) -> Option<&'a [u8]> {
        match self.get(key)? {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The digits that a dictionary holds under `key`.
    pub fn number(&self, key: &str) -> Option<&'a [u8]> {
        match self.get(key)? {
            Self::Number(digits) => Some(digits),
            _ => None,
        }
    }

    /// The keys of a dictionary.
    pub fn keys(&self) -> Vec<&'a [u8]> {
        match self {
            Self::Dict(entries) => entries.iter().map(|(key, _)| *key).collect(),
            _ => Vec::new(),
        }
    }
}

fn value<'a>(bytes: &mut &'a [u8], depth: usize) -> Option<Value<'a>> {
    match bytes.first()? {
        b'i' => {
            *bytes = &bytes[1..];
            Some(Value::Number(digits(bytes, b'e')?))
        }
        b'l' => {
            let depth = depth.checked_sub(1)?;
            *bytes = &bytes[1..];
            let mut items = Vec::new();
            while *bytes.first()? != b'e' {
                items.push(value(bytes, depth)?);
            }
            *bytes = &bytes[1..];
            Some(Value::List(items))
        }
        b'd' => {
            let depth = depth.checked_sub(1)?;
            *bytes = &bytes[1..];
            let mut entries: Vec<(&[u8], Value<'_>)> = Vec::new();
            while *bytes.first()? != b'e' {
                let key = string(bytes)?;
                if entries.last().is_some_and(|(last, _)| *last >= key) {
                    return None;
                }
                entries.push((key, value(bytes, depth)?));
            }
            *bytes = &bytes[1..];
            Some(Value::Dict(entries))
        }
        _ => Some(Value::String(string(bytes)?)),
    }
}

fn string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = digits(bytes, b':')?;
    let length: usize = str::from_utf8(length).ok()?.parse().ok()?;
    let (string, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(string)
}

/// An integer in its shortest form, up to `end`.
fn digits<'a>(bytes: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    let length = bytes.iter().position(|&byte| byte == end)?;
    let number = &bytes[..length];
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let shortest = matches!(digits, [b'1'..=b'9', ..]) || number == b"0";
    *bytes = &bytes[length + 1..];
    (shortest && digits.iter().all(u8::is_ascii_digit)).then_some(number)
}
