//! The details of a status: `list<array{type: string, value: string}>`.

use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use viaduct::status::Detail;

use crate::errors::{self, Thrown};
use crate::message;
use crate::zend::array::Entries;
use crate::zend::class::empty_array;
use crate::zend::object::{Method, Object, ObjectBox};
use crate::zend::{class_name, find_class, string, type_name};

/// What stands before the name of a type, where nothing else is said.
const PREFIX: &str = "type.googleapis.com/";

/// Details as PHP sees them.
pub(crate) fn to_php(details: &[Detail]) -> Zval {
    if details.is_empty() {
        return empty_array();
    }
    let mut list = ZendHashTable::new();
    for detail in details {
        let mut element = ZendHashTable::with_capacity(2);
        // Setting an element to a string or array cannot fail.
        let _ = element.insert("type", string(detail.type_url.as_bytes()));
        let _ = element.insert("value", string(&detail.value));
        let _ = list.push(element);
    }
    let mut value = Zval::new();
    value.set_hashtable(list);
    value
}

/// Reads details in the form that [`to_php`] makes, and passes over what is not in it.
pub(crate) fn from_normal_form(list: &ZendHashTable) -> Vec<Detail> {
    Entries::of(list).filter_map(|(_, element)| pair(element.array()?)).collect()
}

/// Reads the details that PHP code gives.
///
/// Calls PHP where an element is an object; what that throws is passed on.
pub(crate) fn from_php(list: &ZendHashTable) -> Result<Vec<Detail>, Thrown> {
    let mut details = Vec::with_capacity(list.len());
    for (key, element) in Entries::of(list) {
        let detail = match (element.array(), Object::of(element)) {
            (Some(array), _) => pair(array),
            (_, Some(message)) => Some(pack(message, &key.text())?),
            _ => None,
        };
        let Some(mut detail) = detail else {
            let is = if element.is_array() { "an array of another shape".into() } else { type_name(element) };
            return Err(errors::invalid_argument(format!(
                "details[{}] is {is}; expected array{{type: string, value: string}} or a google/protobuf object",
                key.text()
            )));
        };
        if detail.type_url.is_empty() {
            return Err(errors::invalid_argument(format!(
                "details[{}] has an empty type; expected the name or URL of a message's type",
                key.text()
            )));
        }
        if !detail.type_url.contains('/') {
            detail.type_url.insert_str(0, PREFIX);
        }
        details.push(detail);
    }
    Ok(details)
}

fn pair(array: &ZendHashTable) -> Option<Detail> {
    let text = |name: &str| array.get(name).map(Zval::dereference).and_then(Zval::zend_str);
    let (name, value) = (text("type")?, text("value")?);
    Some(Detail {
        type_url: String::from_utf8_lossy(name.as_bytes()).into_owned(),
        value: value.as_bytes().to_vec(),
    })
}

/// Puts a google/protobuf object into its envelope: `Google\Protobuf\Any::pack()` knows its type.
fn pack(message: Object<'_>, key: &str) -> Result<Detail, Thrown> {
    // The list may hold it by reference, and what is called may write there.
    let held = message.share();
    let message = held.get();
    let refuse = |why: &str| {
        errors::invalid_argument(format!(
            "details[{key}] is an object of {}, {why}; expected array{{type: string, value: string}} or a \
             google/protobuf object",
            class_name(message.class())
        ))
    };
    // Both runtimes have these classes. `pack` of the PHP runtime ends the script for other objects.
    let base = find_class(&ZendStr::new("Google\\Protobuf\\Internal\\Message", false))?;
    if !base.is_some_and(|base| message.is_a(base)) {
        return Err(refuse("which is no google/protobuf message"));
    }
    let class = find_class(&ZendStr::new("Google\\Protobuf\\Any", false))?;
    let class = class.filter(|class| message::MessageClass::of(class).is_some());
    let methods = class.and_then(|class| {
        let find = |name| Method::find(class, name);
        Some((class, find("pack")?, find("gettypeurl")?, find("getvalue")?))
    });
    let Some((class, pack, type_url, value)) = methods else {
        return Err(refuse("which needs the class Google\\Protobuf\\Any"));
    };
    let any = if message.is_a(class) {
        None
    } else {
        let any = ObjectBox::new(class)?;
        if let Some(Some(constructor)) = Method::constructor(class) {
            constructor.call(any.get(), &mut [])?;
        }
        pack.call(any.get(), &mut [message.share().into_value()])?;
        Some(any)
    };
    let any = any.as_ref().map_or(message, ObjectBox::get);
    let (type_url, value) = (type_url.call(any, &mut [])?, value.call(any, &mut [])?);
    match (type_url.zend_str(), value.zend_str()) {
        (Some(type_url), Some(value)) => Ok(Detail {
            type_url: String::from_utf8_lossy(type_url.as_bytes()).into_owned(),
            value: value.as_bytes().to_vec(),
        }),
        _ => Err(refuse("which Google\\Protobuf\\Any does not pack")),
    }
}
