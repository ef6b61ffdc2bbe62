//! Names of members, as Python decodes them.

use super::flag;
use crate::codec::Crc32;
use crate::error::{Error, Result, quoted};
use crate::format::Fields;

/// The name that these bytes of a header are: UTF-8 where the flag says so, else code page 437.
pub(super) fn decode(bytes: &[u8], flags: u16) -> Result<String> {
    let name = if flags & flag::UTF8 == 0 {
        bytes.iter().map(|&byte| cp437(byte)).collect()
    } else {
        str::from_utf8(bytes)
            .map_err(|error| Error::malformed(format!("a member name is not UTF-8: {error}")))?
            .to_owned()
    };
    if name.contains('\0') {
        let message =
            format!("the member name {} has a NUL, at which other readers cut it", quoted(&name));
        return Err(Error::malformed(message));
    }
    Ok(name)
}

/// Refuses a second name in an extra field, which readers that know the field would use instead. As they do, it
/// passes over one that was made for another first name.
pub(super) fn check_second(field: &[u8], bytes: &[u8], name: &str) -> Result<()> {
    let mut fields = Fields(field);
    let (Some([version]), Some(crc)) = (fields.take(), fields.u32()) else {
        return Err(Error::malformed("an extra field 0x7075 (Unicode path) of fewer than 5 bytes"));
    };
    let mut sum = Crc32::default();
    sum.update(bytes);
    if version != 1 || crc != sum.value() || fields.0 == name.as_bytes() {
        return Ok(());
    }
    let second = String::from_utf8_lossy(fields.0);
    Err(Error::unsupported(format!(
        "a member has two names, {} and, in an extra field (Unicode path), {}; readers differ over which it is: \
         pack it anew with UTF-8 names",
        quoted(name),
        quoted(&second)
    )))
}

/// IBM's code page 437, which zip had before it had UTF-8.
fn cp437(byte: u8) -> char {
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
                         └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(upper) => UPPER.chars().nth(usize::from(upper)).unwrap_or_default(),
    }
}
