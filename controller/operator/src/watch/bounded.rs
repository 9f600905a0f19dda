//! Objects of others as JSON, within bounds: a few letters can take a hundred times as much memory as they are long.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// One object in memory: ten times the largest that anybody has written for a reason, with thousands of fields. Several copies are
/// made of some.
pub(super) const MOST_BYTES: usize = 8 << 20;
/// What a map takes with its first fields, which have their room at once.
const MAP_BYTES: usize = 640;
/// What a field, or an entry of a list, takes besides its texts.
const PART_BYTES: usize = 64;

/// An object, as far as there is room for it.
pub(crate) struct Bounded {
    pub(crate) object: Value,
    /// Nothing of it was left out.
    pub(crate) is_whole: bool,
}

impl<'de> Deserialize<'de> for Bounded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let room = Room(Cell::new(MOST_BYTES));
        let (room, place) = (&room, Place::Object);
        let object = Part { room, place }.deserialize(deserializer)?;
        Ok(Self {
            object,
            is_whole: !room.is_taken(),
        })
    }
}

/// Bytes that are left; 0: all are taken.
struct Room(Cell<usize>);

impl Room {
    fn take(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_sub(bytes));
    }

    fn is_taken(&self) -> bool {
        self.0.get() == 0
    }
}

/// The fields of an object by which it is known: they are kept whatever has taken the room before them.
const IDENTITY: [&str; 4] = ["name", "namespace", "resourceVersion", "uid"];

/// Where a part is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// It is the whole.
    Object,
    /// It is its `metadata`.
    Metadata,
    /// Anywhere else.
    Below,
}

impl Place {
    fn of(self, field: &str) -> Self {
        match (self, field) {
            (Self::Object, "metadata") => Self::Metadata,
            _ => Self::Below,
        }
    }

    /// Whether this field is read even if there is no room.
    fn needs(self, field: &str) -> bool {
        match self {
            Self::Object => field == "metadata",
            Self::Metadata => IDENTITY.contains(&field),
            Self::Below => false,
        }
    }
}

/// A part of an object. What has no room any more is read, and left out.
struct Part<'room> {
    room: &'room Room,
    place: Place,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        self.room.take(value.len());
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        self.room.take(value.len());
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.room.take(PART_BYTES);
            if self.room.is_taken() {
                while entries.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Value::Null);
            }
            let (room, place) = (self.room, Place::Below);
            let Some(entry) = entries.next_element_seed(Part { room, place })? else {
                return Ok(Value::Array(list));
            };
            list.push(entry);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let more = if map.is_empty() { MAP_BYTES } else { PART_BYTES };
            self.room.take(more.saturating_add(name.len()));
            if self.room.is_taken() && !self.place.needs(&name) {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let (room, place) = (self.room, self.place.of(&name));
            let value = fields.next_value_seed(Part { room, place })?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Bounded {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn an_object_is_read_as_it_is() {
        let object = json!({
            "text": "a \"b\"", "numbers": [1, -2, 0.5, u64::MAX], "none": null, "yes": true, "deep": {"er": [{}, []]},
        });

        let seen = read(&object.to_string());

        assert_eq!((seen.object, seen.is_whole), (object, true));
    }

    #[test]
    fn what_takes_a_hundred_times_its_length_is_left_out() {
        let small_maps = format!(
            "{{\"name\":\"web\",\"list\":[{}{{}}]}}",
            "{\"\":0},".repeat(200_000)
        );

        let seen = read(&small_maps);

        assert!(!seen.is_whole);
        assert_eq!(seen.object, json!({"name": "web", "list": null}));
    }

    /// Without them the watch would begin anew, and the object count as gone. They stand behind the owners of its fields.
    #[test]
    fn what_an_object_is_known_by_is_read_whatever_comes_before_it() {
        let fields = format!("[{}{{}}]", "{\"\":0},".repeat(200_000));
        let text = format!(
            "{{\"first\":{fields},\"metadata\":{{\"managedFields\":{fields},\"name\":\"web\",\"namespace\":\"shop\",\
             \"resourceVersion\":\"7\",\"uid\":\"u\"}},\"spec\":{{\"name\":\"x\"}}}}"
        );

        let seen = read(&text);

        assert!(!seen.is_whole);
        let metadata = json!({
            "managedFields": null, "name": "web", "namespace": "shop", "resourceVersion": "7", "uid": "u",
        });
        assert_eq!(seen.object["metadata"]["name"], metadata["name"]);
        for field in IDENTITY {
            assert_eq!(seen.object["metadata"][field], metadata[field], "{field}");
        }
    }

    #[test]
    fn a_long_text_and_many_fields_take_room_too() {
        let long = json!({"a": "x".repeat(MOST_BYTES)}).to_string();
        let many: Map<String, Value> = (0..200_000).map(|field| (field.to_string(), json!(1))).collect();

        assert!(!read(&long).is_whole);
        assert!(!read(&Value::from(many).to_string()).is_whole);
    }
}
