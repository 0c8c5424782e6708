//! What a product of columns reads: where it starts, what lies at hand, and what is to be fetched from
//! memory meanwhile.

use super::panel::Column;

/// A chunk of some columns, and what is to be brought into the cache while they are read, at most as
/// many: of the next chunk, as a rule.
///
/// Memory is slower than arithmetic, and no processor guesses where the next of so many columns
/// lies. So every product of a pass asks for its share of the pass's next chunk.
#[derive(Clone, Copy)]
pub struct Near<'a, T> {
    /// The chunk of the columns that are read.
    pub here: &'a [&'a Column<T>],
    /// Chunks of columns that will be needed next, to be fetched meanwhile.
    pub ahead: &'a [&'a Column<T>],
}

impl<'a, T> Near<'a, T> {
    /// Columns that are in the cache already; nothing is fetched.
    pub fn only(here: &'a [&'a Column<T>]) -> Self {
        Near { here, ahead: &[] }
    }
}

/// Columns that will be needed next, dealt out to the products of a pass.
pub struct Ahead<'a, T> {
    columns: &'a [&'a Column<T>],
    products: usize,
}

impl<'a, T> Ahead<'a, T> {
    /// Deals `columns` out to the next `products` products.
    pub fn new(columns: &'a [&'a Column<T>], products: usize) -> Self {
        Ahead { columns, products }
    }

    /// The columns of the next product, with its share.
    pub fn with<'b>(&mut self, here: &'b [&'b Column<T>]) -> Near<'b, T>
    where
        'a: 'b,
    {
        let share = self.columns.len().div_ceil(self.products.max(1)).min(here.len());
        let (ahead, rest) = self.columns.split_at(share);
        (self.columns, self.products) = (rest, self.products.saturating_sub(1));
        Near { here, ahead }
    }
}

/// What a combination of columns is added to.
#[derive(Clone, Copy)]
pub enum Start<'a, T> {
    /// Nothing: the result is overwritten.
    Zero,
    /// The columns that are in the result's place already.
    Here,
    /// These columns, as many as the result has.
    From(&'a [Column<T>]),
}
