//! NumPy's `descr` and the one-line spelling: what is accepted is bounded, and prints and reads back as itself.

use ndbytes::{DType, Error, ErrorKind, Limits, MAX_DEPTH, Record, Spec};

/// Reads any text as a `descr`, strict and lenient, and as a spec.
pub fn descr(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let limits = Limits::local();
    let strict = DType::from_descr(&text, &limits);
    let lenient = DType::from_descr_lenient(&text, &limits);
    match (&strict, &lenient) {
        (Ok(strict), Ok(lenient)) => assert_eq!(strict, lenient, "the lenient mode says otherwise"),
        (Ok(strict), Err(error)) => unreachable!("only strict reads {text:?}: {strict}; {error:?}"),
        _ => {}
    }
    for dtype in [strict, lenient] {
        match dtype {
            Ok(dtype) => accepted(&dtype, &limits),
            Err(error) => refused(&text, &error),
        }
    }
    bounded_fields(&text);
    spec(&text);
}

/// What every dtype that was read from text must hold.
fn accepted(dtype: &DType, limits: &Limits) {
    assert!(i32::try_from(dtype.itemsize()).is_ok(), "itemsize {}", dtype.itemsize());
    assert!(!matches!(dtype, DType::Sub(..)), "a subarray stands for a whole array: {dtype}");
    assert!(depth(dtype) <= MAX_DEPTH, "{} levels", depth(dtype));
    assert!(fields(dtype) <= limits.fields, "{} fields", fields(dtype));
    printed(dtype);
    let descr = dtype.descr().expect("what a descr said has one");
    let again = DType::from_descr(&descr, limits).expect("descr reads what it printed");
    assert_eq!(&again, dtype, "by way of {descr}");
    assert_eq!(again.descr().expect("it had one"), descr);
}

/// The one-line spelling reads back as the same dtype.
fn printed(dtype: &DType) {
    let spelling = dtype.to_string();
    let again: DType = spelling.parse().expect("a spelling reads back");
    assert_eq!(&again, dtype, "by way of {spelling}");
    assert_eq!(again.to_string(), spelling);
}

fn refused(text: &str, error: &Error) {
    let known = matches!(
        error.kind(),
        ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::Limit { .. }
    );
    assert!(known, "{error:?} for {text:?}");
    let offset = error.offset().expect("a refused descr says where");
    assert!(offset <= text.len() as u64, "{error:?} for {text:?}");
}

/// A lower limit of fields holds in both modes.
fn bounded_fields(text: &str) {
    let mut limits = Limits::local();
    limits.fields = 2;
    let read = [DType::from_descr(text, &limits), DType::from_descr_lenient(text, &limits)];
    for dtype in read.into_iter().flatten() {
        assert!(fields(&dtype) <= 2, "{dtype} has {} fields", fields(&dtype));
    }
}

fn spec(text: &str) {
    let Ok(spec) = text.parse::<Spec>() else {
        // Without a shape it is the same grammar.
        assert!(text.parse::<DType>().is_err(), "a dtype that is no spec: {text:?}");
        return;
    };
    let spelling = spec.to_string();
    let again: Spec = spelling.parse().expect("a spec reads back");
    assert_eq!(again, spec, "by way of {spelling}");
    assert_eq!(again.to_string(), spelling);
    printed(&spec.dtype);
    let (dtype, mut limits) = (spec.dtype, Limits::local());
    limits.fields = usize::MAX / 2;
    assert!(i32::try_from(dtype.itemsize()).is_ok(), "itemsize {}", dtype.itemsize());
    assert!(!matches!(dtype, DType::Sub(..)), "a subarray stands for a whole array: {dtype}");
    assert!(depth(&dtype) <= MAX_DEPTH, "{} levels", depth(&dtype));
    // A dtype that can be put into a header reads back from it.
    match dtype.descr() {
        Ok(descr) => {
            let again = DType::from_descr(&descr, &limits).expect("descr reads what it printed");
            assert_eq!(again, dtype.storage(), "by way of {descr}");
        }
        Err(error) => assert_eq!(*error.kind(), ErrorKind::Argument),
    }
}

/// Levels of records; nested subarrays count too, the first one of a field does not.
pub(crate) fn depth(dtype: &DType) -> usize {
    let of_field = |dtype: &DType| match dtype {
        DType::Sub(sub) => depth(&sub.0),
        _ => depth(dtype),
    };
    match dtype {
        DType::Record(record) => {
            1 + record.fields().iter().map(|field| of_field(&field.dtype)).max().unwrap_or(0)
        }
        DType::Sub(sub) => 1 + depth(&sub.0),
        _ => 0,
    }
}

/// Fields, nested ones counted.
pub(crate) fn fields(dtype: &DType) -> usize {
    let count = |record: &Record| -> usize {
        record.fields().iter().map(|field| 1 + fields(&field.dtype)).sum()
    };
    match dtype {
        DType::Record(record) => count(record),
        DType::Sub(sub) => fields(&sub.0),
        _ => 0,
    }
}
