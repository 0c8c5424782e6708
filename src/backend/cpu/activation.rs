//! temporary
use super::panel::Column;
use super::real::Real;
use crate::model::Activation;
/// φ
#[inline(always)]
pub fn value<T: Real, const FUSED: bool>(activation: Activation, x: &mut Column<T>) {
    x.iter_mut().for_each(|x| *x = T::of(activation.value(x.widen())));
}
/// φ'
#[inline(always)]
pub fn slope<T: Real, const FUSED: bool>(activation: Activation, x: &mut Column<T>) {
    x.iter_mut().for_each(|x| *x = T::of(activation.derivative(x.widen())));
}
