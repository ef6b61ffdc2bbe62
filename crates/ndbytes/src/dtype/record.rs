//! Structured dtypes: named fields at offsets.

use super::DType;
use crate::error::{Error, Result, quoted};

/// One field of a structured dtype.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// The name, unique among all names and titles of its record.
    pub name: String,
    /// NumPy's second name for the field.
    pub title: Option<String>,
    /// The dtype; [`DType::Sub`] for a field that is itself an array.
    pub dtype: DType,
    /// Bytes from the start of the item.
    pub offset: usize,
}

impl Field {
    /// A field without title.
    #[must_use]
    pub fn new(name: impl Into<String>, dtype: DType, offset: usize) -> Self {
        Self { name: name.into(), title: None, dtype, offset }
    }
}

/// The fields of a structured dtype, in order, inside an item of fixed size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    fields: Vec<Field>,
    itemsize: usize,
}

impl Record {
    /// Checks that every field lies inside the item and that names and titles are unique.
    ///
    /// Fields may overlap or stand out of order, as in NumPy; such a record has no `descr`.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a field outside the item or a name that stands twice;
    /// [`Limit`](crate::ErrorKind::Limit) for an item over 2³¹ − 1 bytes or more than 16 levels.
    pub fn new(fields: Vec<Field>, itemsize: usize) -> Result<Self> {
        super::check_itemsize(itemsize as u64)?;
        let mut seen = std::collections::HashSet::new();
        for field in &fields {
            let end = field.offset.checked_add(field.dtype.itemsize());
            if end.is_none_or(|end| end > itemsize) {
                return Err(Error::argument(format!(
                    "field {} of {} bytes at offset {} does not fit an item of {itemsize} bytes",
                    quoted(&field.name),
                    field.dtype.itemsize(),
                    field.offset
                )));
            }
            for name in std::iter::once(&field.name).chain(&field.title) {
                if !seen.insert(name.as_str()) {
                    return Err(Error::argument(format!(
                        "the field name {} stands twice",
                        quoted(name)
                    )));
                }
            }
        }
        let record = Self { fields, itemsize };
        super::check_depth(record.depth())?;
        Ok(record)
    }

    /// Levels of brackets in its `descr`; a field that is an array needs none of its own.
    pub(super) fn depth(&self) -> usize {
        let fields = self.fields.iter().map(|field| match &field.dtype {
            DType::Sub(sub) => sub.0.depth(),
            dtype => dtype.depth(),
        });
        1 + fields.max().unwrap_or(0)
    }

    /// Puts fields one behind the other, without gaps.
    ///
    /// # Errors
    /// As [`Record::new`].
    pub fn packed(fields: impl IntoIterator<Item = (String, DType)>) -> Result<Self> {
        let mut offset = 0usize;
        let mut placed = Vec::new();
        for (name, dtype) in fields {
            let size = dtype.itemsize();
            placed.push(Field::new(name, dtype, offset));
            offset = offset.checked_add(size).ok_or_else(|| Error::overflow("the itemsize"))?;
        }
        Self::new(placed, offset)
    }

    /// The fields, in the order of their names.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Bytes of one item, gaps included.
    #[must_use]
    pub fn itemsize(&self) -> usize {
        self.itemsize
    }

    /// Whether the fields stand in order and apart, so that a `descr` can spell them.
    #[must_use]
    pub fn has_descr(&self) -> bool {
        let mut end = 0;
        self.fields.iter().all(|field| {
            let follows = field.offset >= end;
            end = field.offset + field.dtype.itemsize();
            follows
        })
    }

    /// Whether two fields share a byte.
    #[must_use]
    pub fn has_overlap(&self) -> bool {
        let mut ranges: Vec<(usize, usize)> = self
            .fields
            .iter()
            .map(|field| (field.offset, field.dtype.itemsize()))
            .filter(|(_, size)| *size > 0)
            .collect();
        ranges.sort_unstable();
        ranges
            .windows(2)
            .any(|pair| matches!(pair, [(start, size), (next, _)] if start + size > *next))
    }

    /// The fields and the gaps between and behind them, in order; `None` stands for a gap of so many bytes.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) where fields overlap or stand out of order.
    pub(crate) fn parts(&self) -> Result<Vec<(Option<&Field>, usize)>> {
        if !self.has_descr() {
            return Err(Error::argument(
                "dtype.descr is not defined for types with overlapping or out-of-order fields",
            ));
        }
        let mut parts = Vec::new();
        let mut end = 0;
        for field in &self.fields {
            if field.offset > end {
                parts.push((None, field.offset - end));
            }
            end = field.offset + field.dtype.itemsize();
            parts.push((Some(field), field.dtype.itemsize()));
        }
        if self.itemsize > end {
            parts.push((None, self.itemsize - end));
        }
        Ok(parts)
    }

    /// The same record with each field's dtype replaced by one of the same size.
    pub(crate) fn map(&self, change: &impl Fn(&DType) -> DType) -> Self {
        let mut record = self.clone();
        for field in &mut record.fields {
            field.dtype = change(&field.dtype);
        }
        record
    }
}
